using Dawn.Agents.Node;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Dawn.Tests.Node;

public sealed class LogLevelsTests : IDisposable
{
    private readonly FakeTimeProvider _time = new();
    private readonly LogRing _ring;
    private readonly IConfigurationRoot _configuration;
    private readonly ServiceProvider _services;
    private readonly ILogger _links;
    private readonly ILogger _sessions;

    public LogLevelsTests()
    {
        _ring = new(_time);
        _configuration = new ConfigurationBuilder().AddInMemoryCollection([new("LogLevel:Default", "Information"), new("LogLevel:Dawn.Links.Link", "Warning")]).Build();
        _services = new ServiceCollection().AddLogging(logging => logging.AddConfiguration(_configuration).AddProvider(_ring))
            .AddSingleton<IPostConfigureOptions<LoggerFilterOptions>>(_ring.Levels)
            .AddSingleton<IOptionsChangeTokenSource<LoggerFilterOptions>>(_ring.Levels)
            .BuildServiceProvider();
        var factory = _services.GetRequiredService<ILoggerFactory>();
        (_links, _sessions) = (factory.CreateLogger("Dawn.Links.Link"), factory.CreateLogger("Dawn.Sessions.Session"));
    }

    public void Dispose() => _services.Dispose();

    [Fact]
    public void APartIsSeenCloselyForAWhileAndThenAsTheSettingsHaveIt()
    {
        Assert.False(_links.IsEnabled(LogLevel.Information));
        _ring.Levels.Set(_ring.Resolve("links"), LogLevel.Debug, TimeSpan.FromMinutes(10));
        Assert.True(_links.IsEnabled(LogLevel.Debug));
        Assert.False(_sessions.IsEnabled(LogLevel.Debug));
        var set = Assert.Single(_ring.Levels.Current, l => l.Until is not null);
        Assert.Equal(("Dawn.Links", "debug", _time.GetUtcNow().AddMinutes(10)), (set.Category, set.Level, set.Until));
        Assert.DoesNotContain(_ring.Levels.Current, l => l.Category == "Dawn.Links.Link");

        _time.Advance(TimeSpan.FromMinutes(10));
        Assert.False(_links.IsEnabled(LogLevel.Information));
        Assert.True(_links.IsEnabled(LogLevel.Warning));
        Assert.DoesNotContain(_ring.Levels.Current, l => l.Until is not null);
    }

    [Fact]
    public void ALevelIsTakenBackAndASecondOneStays()
    {
        _ring.Levels.Set("Dawn.Links", LogLevel.Trace, TimeSpan.FromMinutes(1));
        _ring.Levels.Set(LogLevels.Default, LogLevel.Debug, TimeSpan.FromMinutes(2));
        Assert.True(_sessions.IsEnabled(LogLevel.Debug));
        _ring.Levels.Set("Dawn.Links", null, TimeSpan.Zero);
        Assert.False(_links.IsEnabled(LogLevel.Information));
        Assert.True(_sessions.IsEnabled(LogLevel.Debug));
    }

    [Fact]
    public void AnEditOfTheSettingsCountsAtOnce()
    {
        _configuration["LogLevel:Dawn.Sessions"] = "Trace";
        _configuration.Reload();
        Assert.True(_sessions.IsEnabled(LogLevel.Trace));
    }

    [Fact]
    public void WhatIsSetIsBounded()
    {
        for (var i = 0; i < 64; i++)
        {
            _ring.Levels.Set($"Dawn.Part{i}", LogLevel.Debug, TimeSpan.FromDays(365));
        }

        Assert.Throws<InvalidOperationException>(() => _ring.Levels.Set("Dawn.OneMore", LogLevel.Debug, TimeSpan.FromMinutes(1)));
        _time.Advance(LogLevels.MaxDuration);
        Assert.DoesNotContain(_ring.Levels.Current, l => l.Until is not null);
    }

    [Theory]
    [InlineData("Links", "Dawn.Links")]
    [InlineData("dawn.sessions.session", "Dawn.Sessions.Session")]
    [InlineData("Lin", null)]
    [InlineData("", null)]
    public void PartsAreNamedByWholeSegments(string text, string? expected)
    {
        if (expected is null)
        {
            Assert.Contains("Links, Sessions", Assert.Throws<ArgumentException>(() => _ring.Resolve(text)).Message, StringComparison.Ordinal);
        }
        else
        {
            Assert.Equal(expected, _ring.Resolve(text));
        }
    }

    [Fact]
    public void EntriesAreReadOfOnePart()
    {
        _links.LogWarning("a link");
        _sessions.LogWarning("a session");
        Assert.Equal("a link", Assert.Single(_ring.Read(LogLevel.Trace, 0, 10, "Dawn.Links").Entries).Message);
    }
}
