using System.Text.Json;
using Dawn.Commands;
using Dawn.Configuration;
using Dawn.Identity;

namespace Dawn.Node.Doctor;

/// <summary><c>dawn doctor</c>: all checks, one after the other where they are quick and together where they wait for others.</summary>
internal static class Diagnosis
{
    public static async Task<int> RunAsync(RunOptions options, DoctorOptions doctor, Terminal terminal, CancellationToken cancellationToken)
    {
        using var patience = new CancellationTokenSource(doctor.Patience, terminal.Time);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(patience.Token, cancellationToken);
        Report report;
        try
        {
            report = await CheckAsync(options, terminal.Time, both.Token);
        }
        catch (OperationCanceledException) when (patience.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            throw new CommandException($"The checks took longer than {doctor.Patience.TotalSeconds} s; give them longer with --timeout.");
        }

        if (doctor.IsJson)
        {
            terminal.Out.WriteLine(JsonSerializer.Serialize(report, ReportJson.Default.Report));
        }
        else
        {
            foreach (var finding in report.Checks)
            {
                terminal.Out.WriteLine($"{finding.Outcome,-5}{finding.Check,-20}{Terminal.OneLine(finding.Detail)}{(finding.Cure is null ? "" : $" -> {Terminal.OneLine(finding.Cure)}")}");
            }

            var (warned, failed) = (report.Checks.Count(f => f.Outcome == "warn"), report.Checks.Count(f => f.Outcome == "fail"));
            terminal.Out.WriteLine($"{report.Checks.Count - warned - failed} ok, {warned} warn, {failed} fail");
        }

        return report.Ok ? ExitCode.Done : ExitCode.Failed;
    }

    public static async Task<Report> CheckAsync(RunOptions options, TimeProvider time, CancellationToken cancellationToken)
    {
        var findings = new List<Finding>();
        IConfigurationRoot configuration;
        DawnSettings settings;
        var problems = new List<string>();
        try
        {
            configuration = DawnConfiguration.Build(options.DataDirectory, options.Settings);
            settings = SettingsRules.Read(configuration, problems);
        }
        catch (StartException e)
        {
            // With no settings there is nothing to check the rest against but the default ones.
            findings.Add(Finding.Fail("settings", e.Message, "Mend the file; 'dawn run' refuses it as well."));
            configuration = new ConfigurationBuilder().Build();
            settings = SettingsRules.Read(configuration, problems) with { DataDirectory = Path.GetFullPath(options.DataDirectory ?? DataDirectory.DefaultPath) };
        }

        var node = await LiveNode.AskAsync(settings.DataDirectory, time, findings, cancellationToken);
        findings.AddRange(DirectoryChecks.All(settings.DataDirectory, node, time));
        findings.AddRange(SettingsChecks.All(configuration, settings, problems, node));
        var stored = StoredNetworkOf(settings.DataDirectory);
        findings.AddRange(SecretChecks.All(settings, stored, node, time));
        findings.AddRange(SystemChecks.All(settings.DataDirectory, node, time));
        var slow = await Task.WhenAll(
            NetworkChecks.AllAsync(settings, stored, node, time, cancellationToken),
            ServerChecks.AllAsync(configuration, time, cancellationToken));
        findings.AddRange(slow.SelectMany(f => f));
        return new(findings.All(f => f.Outcome != "fail"), node is not null, findings);
    }

    // What is wrong with the file is a finding of the directory's.
    private static StoredNetwork? StoredNetworkOf(string dataDirectory)
    {
        try
        {
            return Directory.Exists(dataDirectory) ? NetworkStore.Load(DataDirectory.Open(dataDirectory)) : null;
        }
        catch (StartException)
        {
            return null;
        }
    }
}
