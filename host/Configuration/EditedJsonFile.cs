using System.Text.Json;
using Microsoft.Extensions.Configuration.Json;

namespace Dawn.Configuration;

/// <summary>A JSON file of settings that people edit while the node runs: what can't be read leaves the settings as they were, and is told.</summary>
internal sealed class EditedJsonFile : JsonConfigurationSource
{
    public override IConfigurationProvider Build(IConfigurationBuilder builder)
    {
        EnsureDefaults(builder);
        return new EditedJsonProvider(this);
    }
}

/// <summary>The settings of an <see cref="EditedJsonFile"/>.</summary>
internal sealed class EditedJsonProvider(EditedJsonFile source) : JsonConfigurationProvider(source)
{
    private bool _isRunning;

    /// <summary>Why the file, as it is now, is not in force; null while it is.</summary>
    public string? Problem { get; private set; }

    /// <summary>Raised with <see cref="Problem"/> once there is one.</summary>
    public event Action<string>? Refused;

    // The first time a broken file stops the start; without that, the base would make it an empty one, and all agents of the settings would go.
    public override void Load()
    {
        base.Load();
        _isRunning = true;
    }

    public override void Load(Stream stream)
    {
        try
        {
            base.Load(stream);
            Problem = null;
        }
        catch (Exception e) when (_isRunning && e is FormatException or JsonException or InvalidOperationException)
        {
            // The last is how text says that it is no Unicode, such as half of a surrogate pair; thrown on the watcher's thread it would end the program.
            var problem = $"{Path.Combine((Source.FileProvider as Microsoft.Extensions.FileProviders.PhysicalFileProvider)?.Root ?? "", Source.Path!)} can't be read, so the settings stay as they were: {(e.InnerException ?? e).Message}";
            if (problem != Problem)
            {
                Problem = problem;
                Refused?.Invoke(problem);
            }
        }
    }
}
