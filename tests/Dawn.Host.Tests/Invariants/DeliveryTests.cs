using Dawn.Agents;
using Xunit;

namespace Dawn.Tests.Invariants;

/// <summary>
/// What delivery means (docs/protocol.md, "Session"), tried at every message of a call: one thing goes wrong at each, in every way, beside everything else that may happen then.
/// Of new keys there are two kinds: begun at that very moment, and begun with the call, so that the messages they take are among those that are lost.
/// </summary>
[Collection(OneAtATime.Name)]
public sealed class DeliveryTests(ITestOutputHelper output)
{
    private const int Limit = 300_000;

    [Theory(Timeout = Limit)]
    [InlineData((int)Layer.Envelopes)]
    [InlineData((int)Layer.Records)]
    public async Task No_nonce_seals_twice_and_no_call_runs_twice_whatever_happens_at_whichever_message(int layer)
    {
        var undisturbed = await CallWorld.RunAsync((Layer)layer, -1, default, Meanwhile.All[0]);
        Assert.Equal((CallWorld.Done, 1), (undisturbed.First, undisturbed.FirstExecutions));
        Assert.Empty(Check(undisturbed, Meanwhile.All[0]));
        Assert.True(undisturbed.Messages >= 8, $"Only {undisturbed.Messages} messages: that is no call.");
        // Both directions of a link and of a session.
        Assert.Equal(4, undisturbed.Log.Keys);

        var (runs, failures) = (0, new List<string>());
        var outcomes = new SortedDictionary<string, int>(StringComparer.Ordinal);
        foreach (var meanwhile in Meanwhile.All)
        {
            var messages = (await UndisturbedAsync((Layer)layer, meanwhile)).Messages;
            for (var at = 0; at < messages; at++)
            {
                foreach (var fate in Enum.GetValues<Fate>())
                {
                    TestContext.Current.CancellationToken.ThrowIfCancellationRequested();
                    var name = $"{(Layer)layer} {at} {fate}, {meanwhile.Name}";
                    try
                    {
                        var run = await CallWorld.RunAsync((Layer)layer, at, fate, meanwhile);
                        failures.AddRange(Check(run, meanwhile).Select(problem => $"{name}: {problem}"));
                        // What is lost comes again, so a session's keys are replaced in the end, whichever link is there; a link may be replaced itself.
                        if ((meanwhile.Renews == Renewed.Session && run.SessionEpoch != 1) || (meanwhile.Renews == Renewed.Link && (Layer)layer == Layer.Envelopes && run.LinkEpoch != 1))
                        {
                            failures.Add($"{name}: its keys were replaced otherwise than once: session {run.SessionEpoch}, link {run.LinkEpoch}");
                        }

                        var outcome = $"{meanwhile.Name}: {run.First ?? "caller died"} x{run.FirstExecutions}, epochs {run.SessionEpoch} and {run.LinkEpoch}";
                        outcomes[outcome] = outcomes.GetValueOrDefault(outcome) + 1;
                    }
                    catch (Exception e) when (e is not OperationCanceledException)
                    {
                        failures.Add($"{name}: {e.GetType().Name}: {e.Message}");
                    }

                    runs++;
                }
            }
        }

        output.WriteLine($"{runs} runs, {undisturbed.Messages} messages of the first call");
        foreach (var (outcome, count) in outcomes)
        {
            output.WriteLine($"{count,5}  {outcome}");
        }

        Assert.True(failures.Count == 0, $"{failures.Count} of {runs}:\n" + string.Join('\n', failures.Take(40)));
    }

    // Where nothing goes wrong the keys are replaced while the call is under way.
    private static async Task<RunResult> UndisturbedAsync(Layer layer, Meanwhile meanwhile)
    {
        var run = await CallWorld.RunAsync(layer, -1, default, meanwhile);
        Assert.Equal((CallWorld.Done, 1), (run.First, run.FirstExecutions));
        Assert.Empty(Check(run, meanwhile));
        var isRenewed = meanwhile.AtStart is not null;
        Assert.Equal(isRenewed && meanwhile.Renews == Renewed.Session ? 1 : 0, run.SessionEpoch);
        Assert.Equal(isRenewed && meanwhile.Renews == Renewed.Link ? 1 : 0, run.LinkEpoch);
        Assert.Equal(isRenewed ? 6 : 4, run.Log.Keys);
        return run;
    }

    private static IEnumerable<string> Check(RunResult run, Meanwhile meanwhile)
    {
        foreach (var violation in run.Log.Violations)
        {
            yield return violation;
        }

        foreach (var (told, executions) in run.Afterwards.Prepend((run.First, run.FirstExecutions)))
        {
            if (executions > 1)
            {
                yield return $"ran {executions} times";
            }

            if (told is not (null or CallWorld.Done or JsonRpcErrors.NotExecuted or JsonRpcErrors.OutcomeUnknown))
            {
                yield return $"the caller was told '{told}'";
            }

            if ((told == CallWorld.Done && executions != 1) || (told == JsonRpcErrors.NotExecuted && executions != 0))
            {
                yield return $"the caller was told '{told}', and it ran {executions} times";
            }
        }

        if (!meanwhile.EndsAProcess && run.First != CallWorld.Done)
        {
            yield return $"both ends lived and the path came back, and the caller was told '{run.First}'";
        }

        if (run.Took > CallWorld.Bound)
        {
            yield return $"the caller waited for {run.Took.TotalSeconds:0} s";
        }

        // A restart of the other end that nothing told of, since that was lost as well, may cost the next call: it goes to a process that is no more.
        if (run.Afterwards.Length > (meanwhile.EndsAProcess ? 2 : 1) || run.Afterwards[^1].Told != CallWorld.Done)
        {
            yield return $"of calls afterwards the caller was told {string.Join(", ", run.Afterwards.Select(one => one.Told))}";
        }
    }
}
