using Microsoft.AspNetCore.Connections;

namespace Dawn.Links;

// The end of a link, and what is given back after it.
internal sealed partial class Link
{
    // The first reason counts. What the other end closed, or has answered our close of, may leave in peace; all else is torn down.
    private void End(LinkEnd reason, string cause)
    {
        lock (_state)
        {
            if (_end != None)
            {
                return;
            }

            _end = (int)reason;
        }

        LogEnding(Remote.ToShortString(), reason, cause);
        _queue.Abort();
        Safely(() =>
        {
            _output.CancelPendingFlush();
            _input.CancelPendingRead();
        });
        if (reason is LinkEnd.Broken or LinkEnd.Silent or LinkEnd.Limit or LinkEnd.Protocol)
        {
            AbortConnection(cause);
        }
    }

    private void AbortConnection(string cause) => Safely(() => _connection.Abort(new ConnectionAbortedException(cause)));

    // A pipe or a connection that is done already may say so; this may be a timer's thread, where nobody would catch it.
    private void Safely(Action call)
    {
        try
        {
            call();
        }
        catch (Exception e)
        {
            LogDisposeFailed(e, Remote.ToShortString());
        }
    }

    private async Task DisposeAsync(Task writing)
    {
        using var abort = _time.CreateTimer(_ => AbortConnection("it does not let go"), null, _options.CloseTimeout, Timeout.InfiniteTimeSpan);
        await WithinBoundsAsync(async () =>
        {
            await writing;
            _records.Dispose();
        });
        _reader.Dispose();
        _rekeying?.Dispose();
        await WithinBoundsAsync(() => _connection.DisposeAsync().AsTask());
    }

    // A transport that hangs in here holds up nothing else.
    private async Task WithinBoundsAsync(Func<Task> dispose)
    {
        try
        {
            await dispose().WaitAsync(2 * _options.CloseTimeout, _time);
        }
        catch (Exception e)
        {
            LogDisposeFailed(e, Remote.ToShortString());
        }
    }
}
