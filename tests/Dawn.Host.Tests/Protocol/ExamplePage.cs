using System.Text;
using Xunit;

namespace Dawn.Tests.Protocol;

/// <summary>A page of named bytes: prose, and in code blocks lines of <c>name: hex</c>, which a second implementation can read as well as a person.</summary>
internal sealed class ExamplePage
{
    private readonly StringBuilder _text = new();
    private bool _inBlock;

    public override string ToString()
    {
        EndBlock();
        return _text.ToString();
    }

    public void Title(string title) => Prose($"# {title}");

    public void Section(string title) => Prose($"## {title}");

    public void Prose(string text)
    {
        EndBlock();
        _text.Append(_text.Length > 0 ? "\n" : "").Append(text).Append('\n');
    }

    public void Line(string name, ReadOnlySpan<byte> bytes) => Line(name, bytes.IsEmpty ? "(empty)" : Convert.ToHexStringLower(bytes));

    public void Line(string name, string value)
    {
        if (!_inBlock)
        {
            _text.Append("\n```text\n");
            _inBlock = true;
        }

        _text.Append(name).Append(": ").Append(value).Append('\n');
    }

    /// <summary>Fails with the section and name of the first line that differs.</summary>
    public static void AssertSame(string expected, string page, string file)
    {
        var (drawn, written, section) = (expected.Split('\n'), page.Split('\n'), "");
        for (var i = 0; i < Math.Max(drawn.Length, written.Length); i++)
        {
            var (should, stands) = (i < drawn.Length ? drawn[i] : "(end)", i < written.Length ? written[i] : "(end)");
            section = should.StartsWith('#') ? should.TrimStart('#', ' ') : section;
            if (should != stands)
            {
                Assert.Fail($"{file}, line {i + 1}, '{section}': '{should.Split(':')[0]}' is not what the code computes.\nin the page: {stands}\ncomputed:    {should}\nRun the test with DAWN_WRITE_DOCS=1, look at the change, and commit it.");
            }
        }
    }

    private void EndBlock()
    {
        _text.Append(_inBlock ? "```\n" : "");
        _inBlock = false;
    }
}
