using Microsoft.Extensions.AI;

namespace Dawn.Agents.Assistant;

/// <summary>What was said with one person, and what they allowed. Not thread-safe: <see cref="Turn"/> keeps out others meanwhile.</summary>
internal sealed class Conversation
{
    // Models take a few hundred thousand characters at most, and every message costs all that came before it.
    private const int MaxCharacters = 200_000;

    private readonly List<ChatMessage> _messages = [];

    public SemaphoreSlim Turn { get; } = new(1);

    public long UsedAt { get; set; }

    /// <summary><see cref="NetworkTool.Identity"/> of those that may be called without asking again.</summary>
    public HashSet<string> Allowed { get; } = [];

    public IReadOnlyList<ChatMessage> Messages => _messages;

    /// <summary>Keeps what one turn brought. The oldest turns go first, as a whole: a tool's answer without its call is refused by endpoints. What alone is too much is kept in short.</summary>
    public void Add(IReadOnlyList<ChatMessage> turn)
    {
        _messages.AddRange(turn.Sum(Size) <= MaxCharacters ? turn : InShort(turn));
        while (_messages.Sum(Size) > MaxCharacters && _messages.FindIndex(1, m => m.Role == ChatRole.User) is > 0 and var second)
        {
            _messages.RemoveRange(0, second);
        }
    }

    public void Forget()
    {
        _messages.Clear();
        Allowed.Clear();
    }

    private static IEnumerable<ChatMessage> InShort(IReadOnlyList<ChatMessage> turn)
    {
        yield return new(turn[0].Role, $"{Markdown.Short(turn[0].Text, MaxCharacters / 4)}\n[Long, and left out here: what was attached, and what tools answered.]");
        yield return new(ChatRole.Assistant, Markdown.Short(string.Join('\n', turn.Where(m => m.Role == ChatRole.Assistant).Select(m => m.Text)), MaxCharacters / 4));
    }

    private static int Size(ChatMessage message) => message.Contents.Sum(content => content switch
    {
        TextContent text => text.Text.Length,
        DataContent data => data.Data.Length,
        FunctionResultContent { Result: string result } => result.Length,
        FunctionCallContent { Arguments: { } arguments } => 100 + arguments.Sum(a => a.Key.Length + (a.Value?.ToString()?.Length ?? 0)),
        _ => 100,
    });
}

/// <summary>Conversations by caller and name, in memory alone: a restart forgets them. Thread-safe.</summary>
internal sealed class Conversations(TimeProvider time)
{
    private const int Most = 200;
    private const int MostOfCaller = 20;

    private static readonly TimeSpan Lifetime = TimeSpan.FromHours(12);

    private readonly Lock _lock = new();
    private readonly Dictionary<(string Caller, string Name), Conversation> _all = [];

    public Conversation Of(string caller, string name)
    {
        lock (_lock)
        {
            foreach (var key in _all.Where(c => time.GetElapsedTime(c.Value.UsedAt) > Lifetime).Select(c => c.Key).ToList())
            {
                _all.Remove(key);
            }

            if (!_all.TryGetValue((caller, name), out var conversation))
            {
                // One caller can't push out all others.
                DropOldest(_all.Where(c => c.Key.Caller == caller), MostOfCaller);
                DropOldest(_all, Most);
                _all.Add((caller, name), conversation = new());
            }

            conversation.UsedAt = time.GetTimestamp();
            return conversation;
        }
    }

    private void DropOldest(IEnumerable<KeyValuePair<(string, string), Conversation>> among, int most)
    {
        var some = among.ToList();
        if (some.Count >= most)
        {
            _all.Remove(some.MinBy(c => c.Value.UsedAt).Key);
        }
    }
}
