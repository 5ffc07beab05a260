using Dawn.Routing.Modes;
using Dawn.Testing.Routing;

namespace Dawn.Routing.Tests;

public sealed class CentralizedModeKitTests : RoutingModeTestKit
{
    protected override IRoutingMode CreateMode() => new CentralizedMode();
}

public sealed class DecentralizedModeKitTests : RoutingModeTestKit
{
    protected override IRoutingMode CreateMode() => new DecentralizedMode();
}

public sealed class HybridModeKitTests : RoutingModeTestKit
{
    protected override IRoutingMode CreateMode() => new HybridMode();
}
