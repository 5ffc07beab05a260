using Dawn.Simulator;

return CommandLine.Run(args);
