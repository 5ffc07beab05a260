using System.ComponentModel;
using System.Diagnostics;
using Dawn.Agents.External;

namespace Dawn.Node.Doctor;

/// <summary>The MCP servers of the settings: their commands are there, their addresses answer.</summary>
internal static class ServerChecks
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(3);
    private const int MaxServers = 64;

    public static async Task<IReadOnlyList<Finding>> AllAsync(IConfiguration configuration, TimeProvider time, CancellationToken cancellationToken)
    {
        // What can't be read is among the problems of the settings already.
        var servers = configuration.GetSection(ExternalServerSettings.Section).GetChildren().Take(MaxServers).Select(s => ExternalServerSettings.Read(s, [])).OfType<ExternalServerSettings>();
        return await Task.WhenAll(servers.Select(s => s.Url is null ? CommandAsync(s, time, cancellationToken) : UrlAsync(s, time, cancellationToken)));
    }

    private static async Task<Finding> CommandAsync(ExternalServerSettings server, TimeProvider time, CancellationToken cancellationToken)
    {
        var check = $"server:{server.Id}";
        var command = server.Command!;
        if (server.WorkingDirectory is { } directory && !Directory.Exists(directory))
        {
            return Finding.Fail(check, $"{server.Key("WorkingDirectory")} {directory} does not exist.", "Make it, or correct the setting.");
        }

        var path = server.Env.TryGetValue("PATH", out var own) ? own : Environment.GetEnvironmentVariable("PATH") ?? "";
        if (Find(command, path) is not { } found)
        {
            return Finding.Fail(check, $"The command '{command}' is not on the PATH.", $"Install it, or write its full path in {server.Key("Command")}.");
        }

        if (Path.GetFileNameWithoutExtension(command) is not ("node" or "npx" or "npm" or "uvx" or "python3" or "deno" or "bun"))
        {
            return Finding.Ok(check, $"{found} is there.");
        }

        return await VersionAsync(found, time, cancellationToken) is { } version
            ? Finding.Ok(check, $"{found} is there, version {version}.")
            : Finding.Warn(check, $"{found} is there, but does not tell its version.", $"Try it by hand: {command} --version");
    }

    private static string? Find(string command, string path)
    {
        string[] endings = OperatingSystem.IsWindows() ? ["", ".exe", ".cmd", ".bat"] : [""];
        var candidates = command.Contains(Path.DirectorySeparatorChar) || Path.IsPathRooted(command)
            ? endings.Select(e => Path.GetFullPath(command + e))
            : path.Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries).SelectMany(folder => endings.Select(e => Path.Combine(folder, command + e)));
        return candidates.FirstOrDefault(c => File.Exists(c) && (OperatingSystem.IsWindows() || (File.GetUnixFileMode(c) & (UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute)) != 0));
    }

    private static async Task<string?> VersionAsync(string program, TimeProvider time, CancellationToken cancellationToken)
    {
        using var patience = new CancellationTokenSource(Patience, time);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(patience.Token, cancellationToken);
        try
        {
            using var process = Process.Start(new ProcessStartInfo(program, ["--version"]) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true })!;
            try
            {
                process.StandardInput.Close();
                var line = await process.StandardOutput.ReadLineAsync(both.Token);
                await process.WaitForExitAsync(both.Token);
                return process.ExitCode == 0 && line is { Length: > 0 and < 100 } ? line.Trim() : null;
            }
            finally
            {
                if (!process.HasExited)
                {
                    process.Kill(entireProcessTree: true);
                }
            }
        }
        catch (Exception e) when (e is Win32Exception or IOException or InvalidOperationException or OperationCanceledException && !cancellationToken.IsCancellationRequested)
        {
            return null;
        }
    }

    // Without the headers of the settings: a check sends no credentials.
    private static async Task<Finding> UrlAsync(ExternalServerSettings server, TimeProvider time, CancellationToken cancellationToken)
    {
        var check = $"server:{server.Id}";
        using var patience = new CancellationTokenSource(Patience, time);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(patience.Token, cancellationToken);
        try
        {
            using var http = new HttpClient(new SocketsHttpHandler { AllowAutoRedirect = false });
            using var request = new HttpRequestMessage(HttpMethod.Get, server.Url);
            request.Headers.Accept.ParseAdd("text/event-stream");
            using var response = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, both.Token);
            return (int)response.StatusCode is 404 or 410 or >= 500
                ? Finding.Warn(check, $"{server.Origin} answers with {(int)response.StatusCode}.", $"Check {server.Key("Url")}, or the server.")
                : Finding.Ok(check, $"{server.Origin} answers.");
        }
        catch (Exception e) when (e is HttpRequestException or OperationCanceledException && !cancellationToken.IsCancellationRequested)
        {
            return Finding.Fail(check, $"{server.Origin} can't be reached: {(e is HttpRequestException ? e.Message : $"no answer within {Patience.TotalSeconds:0} s")}.", $"Start that server, or correct {server.Key("Url")}.");
        }
    }
}
