using Dawn.Simulator;

return Collections.TryBeginAgain(args) ?? CommandLine.Run(args);
