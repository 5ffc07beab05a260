using Xunit;

namespace Dawn.EndToEnd;

/// <summary>Getting in, and not getting in.</summary>
public sealed class AdmissionTests
{
    [Theory]
    [InlineData("member")]
    [InlineData("guest")]
    public async Task AnInvitationIsAllThatASecondMachineNeeds(string role)
    {
        await using var a = await DawnNode.StartAsync();
        var invite = await a.CliAsync("invite", "--role", role);
        Assert.True(invite.Exit == 0, invite.Err);
        var ticket = invite.Out.Trim().Split('\n')[0];
        var data = Directory.CreateTempSubdirectory("dawn-e2e-").FullName;
        try
        {
            var join = await Dawn.RunAsync(["join", "-", "--data", data], ticket);
            Assert.True(join.Exit == 0, join.Err);
            await using (var b = await DawnNode.StartOnAsync(data))
            {
                await DawnNode.EventuallyAsync("the newcomer sees its host's agent", () => b.SeesAsync("first", a));
                await DawnNode.EventuallyAsync("and is seen", () => a.SeesAsync("first", b));
            }

            var again = await Dawn.RunAsync(["join", ticket, "--data", data + "/again"]);
            Assert.Equal(1, again.Exit);
            Assert.Single(again.Err.Trim().Split('\n'));
        }
        finally
        {
            Directory.Delete(data, recursive: true);
        }
    }

    [Fact]
    public async Task ADamagedTicketIsRefusedBeforeAnythingIsDialled()
    {
        var data = Directory.CreateTempSubdirectory("dawn-e2e-").FullName;
        var outcome = await Dawn.RunAsync(["join", "dawn1abc", "--data", data]);
        Directory.Delete(data, recursive: true);
        Assert.Equal(2, outcome.Exit);
        Assert.Contains("ticket", outcome.Err, StringComparison.Ordinal);
    }

    [Fact]
    public async Task ANodeWithAnotherSecretGetsNowhere()
    {
        await using var a = await DawnNode.StartAsync(DawnNode.Secret);
        await using var c = await DawnNode.StartAsync("Network:Secret=a wrong passphrase", $"Bootstrap:0={a.At}");
        await DawnNode.EventuallyAsync("the log says why", () => Task.FromResult(c.Log.Contains("No link to", StringComparison.Ordinal)));
        Assert.DoesNotContain(await c.ListAsync("peers"), p => p.GetProperty("state").GetString() == "connected");
        Assert.DoesNotContain(await c.ListAsync("agents"), x => x.GetProperty("node").GetString() == a.Id);
        Assert.DoesNotContain(await a.ListAsync("agents"), x => x.GetProperty("node").GetString() == c.Id);
    }

    [Fact]
    public async Task WhereAnotherNodeAnswersTheLinkIsRefused()
    {
        await using var a = await DawnNode.StartAsync(DawnNode.Secret);
        await using var x = await DawnNode.StartAsync(DawnNode.Secret);
        await using var b = await DawnNode.StartAsync(DawnNode.Secret, $"Bootstrap:0={a.Listen}#{x.Id}");
        await DawnNode.EventuallyAsync("the log says who answered", () => Task.FromResult(b.Log.Contains(a.Id[..10], StringComparison.Ordinal)));
        Assert.DoesNotContain(await b.ListAsync("peers"), p => p.GetProperty("state").GetString() == "connected");
    }
}
