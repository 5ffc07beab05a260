using System.Reflection;
using Dawn.Testing.Registries;

namespace Dawn.Registries.Tests;

public class OrSetRegistryTests : RegistryTestKit
{
    protected override Task<OpenRegistry> OpenAsync(RegistrySurroundings surroundings) => OpenRegistry.OfAsync(Assembly.Load("Dawn.Registries.OrSet"), surroundings);
}
