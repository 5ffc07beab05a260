using Dawn.Commands;
using Dawn.Identity;
using Dawn.Node;
using Dawn.Node.Backup;
using Dawn.Node.Doctor;

return await CommandLine.InvokeAsync(
    args,
    new CommandActions
    {
        Run = RunVerb.RunAsync,
        Join = JoinVerb.RunAsync,
        Demo = DemoVerb.RunAsync,
        ReadIdentity = (directory, _) => Task.FromResult(IdVerb.Read(directory)),
        Backup = BackupVerb.RunAsync,
        ReadBackup = RestoreVerb.ReadFile,
        Restore = RestoreVerb.RunAsync,
        Doctor = Diagnosis.RunAsync,
        DefaultDataDirectory = () => DataDirectory.DefaultPath,
    },
    Terminal.OfProcess());
