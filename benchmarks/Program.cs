using Dawn.Benchmarks.Peers;

return args switch
{
    ["serve", var kind] => await Worker.ServeAsync(kind),
    ["client", var kind, var address, .. var pin] => await Worker.CallAsync(kind, new(address, pin is [var thumbprint] ? thumbprint : "")),
    _ => 2,
};
