using System.Globalization;
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
            if (type.IsEnum)
            {
                page.Append('\n').AppendJoin("", Members(type).Select(m => $"- `{Declaration(type, m.Member)}`: {Text(Comments[m.Id].Element("summary")!)}\n"));
                continue;
            }

            foreach (var (member, id) in Members(type))
            {
                page.Append($"\n### {type.Name}.{ShortName(type, member)}\n\n```csharp\n{Declaration(type, member)}\n```\n\n");
                Describe(page, id);
            }
        }

        return page.ToString();
    }

    // What has a comment of its own: the compiler sees to it that all has but what it writes itself, and what only compares or inherits needs no words.
    private static IEnumerable<(MemberInfo Member, string Id)> Members(Type type) =>
        from member in type.GetMembers(BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance | BindingFlags.Static | BindingFlags.DeclaredOnly)
        where !member.Name.StartsWith("op_", StringComparison.Ordinal) && member is not ConstructorInfo { IsPublic: false } && !IsPositional(type, member)
        orderby member.MetadataToken
        let id = IdOf(type, member)
        where id is not null && Comments[id].Element("summary") is not null
        select (member, id);

    // A record's parameters are described with the record.
    private static bool IsPositional(Type type, MemberInfo member) =>
        IsRecord(type) && (member is ConstructorInfo || type.GetConstructors(BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance).Any(c => c.GetParameters().Any(p => p.Name == member.Name)));

    private static bool IsRecord(Type type) => type.GetMethod("PrintMembers", BindingFlags.NonPublic | BindingFlags.Instance) is not null;

    private static string Declaration(Type type)
    {
        if (type.IsEnum)
        {
            return $"public enum {type.Name}";
        }

        var isRecord = IsRecord(type);
        var kind = type.IsInterface ? "interface" : type.IsValueType ? $"readonly {(isRecord ? "record " : "")}struct" : $"{(type.IsAbstract ? "abstract" : "sealed")} {(isRecord ? "record" : "class")}";
        IEnumerable<Type> bases = type.IsInterface ? type.GetInterfaces() : type.BaseType is { } b && b != typeof(object) && b != typeof(ValueType) ? [b] : [];
        var constructor = type.GetConstructors(BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance).FirstOrDefault(c => c.GetParameters() is { Length: > 0 } given && given[0].ParameterType != type);
        // A constructor with words of its own stands among the members.
        var parameters = constructor is null || Comments.ContainsKey($"M:{type.FullName}.#ctor({Raw(constructor.GetParameters()[0].ParameterType)})") && !isRecord && type.IsValueType
            ? "" : $"({string.Join(", ", constructor.GetParameters().Select(Parameter))})";
        return $"public {kind} {type.Name}{parameters}{(bases.Any() ? " : " + string.Join(", ", bases.Select(Name).Order(StringComparer.Ordinal)) : "")}";
    }

    private static string Declaration(Type type, MemberInfo member) => member switch
    {
        PropertyInfo property => $"{Name(property.PropertyType)} {property.Name} {{ get; }}",
        EventInfo happening => $"event {Name(happening.EventHandlerType!)} {happening.Name}",
        FieldInfo { IsLiteral: true } constant => type.IsEnum ? $"{constant.Name} = {Convert.ToInt32(constant.GetRawConstantValue(), CultureInfo.InvariantCulture)}" : $"const {Name(constant.FieldType)} {constant.Name} = {constant.GetRawConstantValue()}",
        ConstructorInfo constructor => $"{type.Name}({string.Join(", ", constructor.GetParameters().Select(Parameter))})",
        MethodInfo method => $"{Name(method.ReturnType)} {ShortName(type, method)}({string.Join(", ", method.GetParameters().Select(Parameter))})",
        _ => throw new ArgumentException(member.ToString()),
    };

    private static string ShortName(Type type, MemberInfo member) => member is ConstructorInfo ? type.Name : member.Name[(member.Name.LastIndexOf('.') + 1)..];

    private static string Parameter(ParameterInfo parameter) => $"{Name(parameter.ParameterType)} {parameter.Name}";

    private static string Name(Type type) =>
        type.IsByRef ? "out " + Name(type.GetElementType()!) : type.IsArray ? Name(type.GetElementType()!) + "[]" : type == typeof(byte) ? "byte"
        : type == typeof(void) ? "void" : type == typeof(bool) ? "bool" : type == typeof(string) ? "string" : type == typeof(int) ? "int" : type == typeof(long) ? "long" : type == typeof(ulong) ? "ulong"
        : type.IsGenericType ? $"{type.Name[..type.Name.IndexOf('`', StringComparison.Ordinal)]}<{string.Join(", ", type.GetGenericArguments().Select(Name))}>" : type.Name;

    private static string? IdOf(Type type, MemberInfo member)
    {
        var name = $"{type.FullName}.{member.Name.Replace('.', '#')}";
        var id = member switch
        {
            PropertyInfo => "P:" + name,
            EventInfo => "E:" + name,
            FieldInfo => "F:" + name,
            MethodBase method when method.GetParameters() is { Length: > 0 } parameters => $"M:{name}({string.Join(",", parameters.Select(p => Raw(p.ParameterType)))})",
            _ => "M:" + name,
        };
        return Comments.ContainsKey(id) ? id : null;
    }

    private static string Raw(Type type) => type.IsByRef ? Raw(type.GetElementType()!) + "@" : type.IsGenericType ? $"{type.FullName![..type.FullName!.IndexOf('`', StringComparison.Ordinal)]}{{{string.Join(",", type.GetGenericArguments().Select(Raw))}}}" : type.FullName!;

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
