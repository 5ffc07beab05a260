using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;

namespace Dawn;

/// <summary>Names the entry point of a plugin assembly.</summary>
/// <param name="entry">A type that implements <see cref="IDawnPlugin"/> and has a public parameterless constructor; it may itself be internal.</param>
/// <remarks>Once in the plugin's main assembly: <c>[assembly: DawnPlugin(typeof(MyPlugin))]</c>. Agents need none.</remarks>
[AttributeUsage(AttributeTargets.Assembly)]
public sealed class DawnPluginAttribute(Type entry) : Attribute
{
    /// <summary>The type that implements <see cref="IDawnPlugin"/>. One that does not marks the plugin as failed.</summary>
    public Type Entry { get; } = entry;
}

/// <summary>The entry point of a plugin: it says what the plugin offers, and does no work itself.</summary>
/// <remarks>
/// <para>The host creates one instance, calls <see cref="ConfigureServices"/> once, builds the container and drops the instance.
/// An exception here marks the plugin as failed, with the exception's message as the cause; nothing else is harmed.</para>
/// <para>All of it, from the constructor to the start of the plugin's hosted services, may take 10 seconds, and so may its end;
/// then the host gives up on it. Work belongs into an <c>IHostedService</c>: the host starts those that the container has, and stops them
/// in reverse order before it disposes the container.</para>
/// </remarks>
public interface IDawnPlugin
{
    /// <summary>Adds the plugin's services to a container of its own, which is disposed when the plugin is unloaded.</summary>
    /// <param name="services">The plugin's own services. The host has already added logging, options and a <see cref="TimeProvider"/>.</param>
    /// <param name="settings">The section <c>Dawn:Plugins:{folder name}</c> of the host's settings; empty where there is none. It never changes: after a change of the settings the plugin is loaded anew.</param>
    /// <exception cref="Exception">Any: its message is shown as the cause. An <c>OptionsValidationException</c> is shown as a mistake in the settings.</exception>
    void ConfigureServices(IServiceCollection services, IConfiguration settings);
}
