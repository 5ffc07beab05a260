namespace Dawn.Tests;
public class PlaceholderTests { [Xunit.Fact] public void X() { } }
