using Dawn.Commands;
using Dawn.Identity;
using Dawn.Node;

return await CommandLine.InvokeAsync(
    args,
    new CommandActions
    {
        Run = RunVerb.RunAsync,
        Join = JoinVerb.RunAsync,
        Demo = DemoVerb.RunAsync,
        ReadIdentity = (directory, _) => Task.FromResult(IdVerb.Read(directory)),
        DefaultDataDirectory = () => DataDirectory.DefaultPath,
    },
    Terminal.OfProcess());
