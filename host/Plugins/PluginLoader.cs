using System.Reflection;
using System.Reflection.Metadata;
using System.Runtime.Loader;
using McMaster.NETCore.Plugins;

namespace Dawn.Plugins;

/// <summary>A plugin's assemblies in a load context of their own, to be collected after disposal. The one place that knows how.</summary>
internal sealed class PluginLoader : IDisposable
{
    private readonly McMaster.NETCore.Plugins.PluginLoader _loader;

    static PluginLoader() =>
        // A plugin built against a newer shared assembly gets the host's: it fails only where it uses what is new.
        AssemblyLoadContext.Default.Resolving += (context, asked) =>
            asked is { Version: not null, CultureName: null or "" } && PluginAssembly.IsShared(asked.Name) ? context.LoadFromAssemblyName(new AssemblyName(asked.Name!)) : null;

    public PluginLoader(PluginAssembly assembly)
    {
        _loader = McMaster.NETCore.Plugins.PluginLoader.CreateFromAssemblyFile(assembly.Path, (PluginConfig config) =>
        {
            config.IsUnloadable = true;
            // Otherwise all that the shared assemblies refer to is loaded now.
            config.IsLazyLoaded = true;
            foreach (var name in assembly.SharedReferences)
            {
                config.SharedAssemblies.Add(new AssemblyName(name));
            }
        });
        Context = new(_loader.LoadContext);
    }

    /// <summary>Dies once nothing in the process holds the plugin any more.</summary>
    public WeakReference Context { get; }

    public Assembly Load() => _loader.LoadDefaultAssembly();

    public void Dispose()
    {
        _loader.Dispose();
        ForgetTypes();
    }

    // System.Text.Json and System.ComponentModel remember every type they ever saw. What hot reload calls after a change of code
    // is the only way to make them forget.
    private static void ForgetTypes()
    {
        foreach (var handler in AssemblyLoadContext.Default.Assemblies.SelectMany(a => a.GetCustomAttributes<MetadataUpdateHandlerAttribute>()))
        {
            handler.HandlerType.GetMethod("ClearCache", BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic, [typeof(Type[])])?.Invoke(null, [null]);
        }
    }
}
