using System.Reflection;
using System.Text;
using System.Text.RegularExpressions;
using System.Xml.Linq;
using Xunit;

namespace Dawn.Tests.Plugins;

/// <summary>docs/api.md is drawn from the contract's own comments. <c>DAWN_WRITE_DOCS=1</c> writes it anew.</summary>
public sealed partial class ApiPageTests
{
    private static readonly Assembly Contract = typeof(IDawnPlugin).Assembly;

    private static readonly Dictionary<string, XElement> Comments = XDocument.Load(Path.ChangeExtension(Contract.Location, ".xml"))
        .Descendants("member").ToDictionary(m => m.Attribute("name")!.Value);

    [Fact]
    public async Task The_page_is_what_the_comments_say()
    {
        var page = Path.Combine(PluginSandbox.Repository, "docs/api.md");
        var drawn = Draw();
        if (Environment.GetEnvironmentVariable("DAWN_WRITE_DOCS") == "1")
        {
            await File.WriteAllTextAsync(page, drawn, TestContext.Current.CancellationToken);
        }

        Assert.True(File.Exists(page) && await File.ReadAllTextAsync(page, TestContext.Current.CancellationToken) == drawn, "docs/api.md is out of date: run the tests with DAWN_WRITE_DOCS=1, look at the change, and commit it.");
    }

    private static string Draw()
    {
        var page = new StringBuilder("# The contract, member by member\n\n");
        page.Append("What [Dawn.Abstractions](../abstractions/README.md) declares, drawn from its own comments. How the pieces fit: [Plugins](plugins.md).\n");
        foreach (var type in Contract.GetExportedTypes().OrderBy(t => t.Name, StringComparer.Ordinal))
        {
            page.Append($"\n## {type.Name}\n\n```csharp\n{Declaration(type)}\n```\n\n");
            Describe(page, "T:" + type.FullName);
            foreach (var member in type.GetMembers(BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance | BindingFlags.Static | BindingFlags.DeclaredOnly).Where(IsContract).OrderBy(m => m.MetadataToken))
            {
                page.Append($"\n### {type.Name}.{member.Name[(member.Name.LastIndexOf('.') + 1)..]}\n\n```csharp\n{Declaration(member)}\n```\n\n");
                Describe(page, IdOf(type, member));
            }
        }

        return page.ToString();
    }

    // What is private and has no dot in its name is nobody's to call; an explicit implementation is the interface's default.
    private static bool IsContract(MemberInfo member) => member switch
    {
        PropertyInfo => true,
        MethodInfo { IsSpecialName: true } => false,
        MethodInfo method => method.IsPublic || method.Name.Contains('.', StringComparison.Ordinal),
        _ => false,
    };

    private static string Declaration(Type type)
    {
        var bases = type.IsInterface ? type.GetInterfaces() : type.BaseType is { } b && b != typeof(object) ? [b] : [];
        var parameters = type.IsInterface ? "" : $"({string.Join(", ", type.GetConstructors()[0].GetParameters().Select(Parameter))})";
        return $"public {(type.IsInterface ? "interface" : "sealed class")} {type.Name}{parameters}{(bases.Length == 0 ? "" : " : " + string.Join(", ", bases.Select(Name).Order(StringComparer.Ordinal)))}";
    }

    private static string Declaration(MemberInfo member) => member switch
    {
        PropertyInfo property => $"{Name(property.PropertyType)} {property.Name} {{ get; }}",
        MethodInfo method => $"{Name(method.ReturnType)} {method.Name[(method.Name.LastIndexOf('.') + 1)..]}({string.Join(", ", method.GetParameters().Select(Parameter))})",
        _ => throw new ArgumentException(member.ToString()),
    };

    private static string Parameter(ParameterInfo parameter) => $"{Name(parameter.ParameterType)} {parameter.Name}";

    private static string Name(Type type) =>
        type == typeof(void) ? "void" : type == typeof(bool) ? "bool" : type == typeof(string) ? "string"
        : type.IsGenericType ? $"{type.Name[..type.Name.IndexOf('`', StringComparison.Ordinal)]}<{string.Join(", ", type.GetGenericArguments().Select(Name))}>" : type.Name;

    private static string IdOf(Type type, MemberInfo member) => member is PropertyInfo
        ? $"P:{type.FullName}.{member.Name}"
        : Assert.Single(Comments.Keys, id => id.StartsWith($"M:{type.FullName}.{member.Name.Replace('.', '#')}(", StringComparison.Ordinal));

    private static void Describe(StringBuilder page, string id)
    {
        var comment = Comments[id];
        page.Append(Text(comment.Element("summary")!)).Append('\n');
        foreach (var paragraph in comment.Element("remarks") is { } remarks ? remarks.Elements("para").DefaultIfEmpty(remarks) : [])
        {
            page.Append('\n').Append(Text(paragraph)).Append('\n');
        }

        var listed = comment.Elements().Where(e => e.Name.LocalName is "param" or "returns" or "exception").ToList();
        page.Append(listed.Count > 0 ? "\n" : "");
        foreach (var element in listed)
        {
            var what = element.Name.LocalName switch
            {
                "param" => $"`{element.Attribute("name")!.Value}`",
                "returns" => "Returns",
                _ => $"Throws `{Short(element.Attribute("cref")!.Value)}`",
            };
            page.Append($"- {what}: {Text(element)}\n");
        }
    }

    private static string Text(XElement element) => Spaces().Replace(string.Concat(element.Nodes().Select(node => node switch
    {
        XElement { Name.LocalName: "c" } code => $"`{code.Value}`",
        XElement { Name.LocalName: "see" } see => $"`{Short(see.Attribute("cref")!.Value)}`",
        XElement { Name.LocalName: "paramref" } parameter => $"`{parameter.Attribute("name")!.Value}`",
        XElement other => other.Value,
        XText text => text.Value,
        _ => "",
    })), " ").Trim();

    // M:Dawn.IDawnPlugin.ConfigureServices(…) as ConfigureServices, T:System.IO.IOException as IOException.
    private static string Short(string cref) => cref[2..].Split('(')[0].Split('.')[^1];

    [GeneratedRegex(@"\s+")]
    private static partial Regex Spaces();
}
