using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;

namespace Dawn;

/// <summary>Names the entry point of a plugin assembly.</summary>
/// <param name="entry">A type that implements <see cref="IDawnPlugin"/> and has a public parameterless constructor; it may itself be internal.</param>
[AttributeUsage(AttributeTargets.Assembly)]
public sealed class DawnPluginAttribute(Type entry) : Attribute
{
    /// <summary>The type that implements <see cref="IDawnPlugin"/>.</summary>
    public Type Entry { get; } = entry;
}

/// <summary>The entry point of a plugin: it says what the plugin offers, and does no work itself.</summary>
/// <remarks>
/// The host creates one instance, calls <see cref="ConfigureServices"/> once, builds the container and drops the instance.
/// An exception here marks the plugin as failed, with the exception's message as the cause; nothing else is harmed.
/// </remarks>
public interface IDawnPlugin
{
    /// <summary>Adds the plugin's services to a container of its own, which is disposed when the plugin is unloaded.</summary>
    /// <param name="services">The plugin's own services. The host has already added logging, options and a <see cref="TimeProvider"/>.</param>
    /// <param name="settings">The section <c>Dawn:Plugins:{folder name}</c> of the host's settings; empty where there is none.</param>
    void ConfigureServices(IServiceCollection services, IConfiguration settings);
}
