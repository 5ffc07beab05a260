using System.ClientModel;
using System.ClientModel.Primitives;
using System.Runtime.CompilerServices;
using Microsoft.Extensions.AI;
using ModelContextProtocol;
using OpenAI;
using OpenAI.Chat;
using ChatMessage = Microsoft.Extensions.AI.ChatMessage;

namespace Dawn.Agents.Assistant;

/// <summary>The configured model. What goes wrong with its endpoint is said with the cure. Thread-safe.</summary>
internal sealed class Model(AssistantSettings settings, TimeProvider time) : IDisposable
{
    private const int Retries = 2;

    // The libraries behind it are loaded with the first message.
    private readonly Lazy<IChatClient> _client = new(() => Create(settings));

    public bool IsConfigured => settings.Model is not null;

    /// <exception cref="McpException">The endpoint did not answer, or not with an answer.</exception>
    public async IAsyncEnumerable<ChatResponseUpdate> AnswerAsync(IEnumerable<ChatMessage> messages, ChatOptions options, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using var silence = new CancellationTokenSource(settings.Patience, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, silence.Token);
        await using var updates = _client.Value.GetStreamingResponseAsync(messages, options, either.Token).GetAsyncEnumerator(either.Token);
        while (true)
        {
            try
            {
                if (!await updates.MoveNextAsync())
                {
                    break;
                }
            }
            catch (Exception e) when (!cancellationToken.IsCancellationRequested)
            {
                throw new McpException(silence.IsCancellationRequested ? $"{settings.Endpoint} said nothing for {settings.Patience.TotalSeconds:0} s. It may still be loading the model: try again, or raise {AssistantSettings.Section}:PatienceSeconds." : Explain(e), e);
            }

            silence.CancelAfter(settings.Patience);
            yield return updates.Current;
        }
    }

    public McpException BrokeOff(string why) => new($"The answer of {settings.Endpoint} broke off: {why}. Ask again; if it happens again, its log may say why.");

    public void Dispose()
    {
        if (_client.IsValueCreated)
        {
            _client.Value.Dispose();
        }
    }

    private static IChatClient Create(AssistantSettings settings) => new ChatClient(
        settings.Model,
        // The library insists on a key; endpoints that ask for none don't read it.
        new ApiKeyCredential(settings.ApiKey ?? "none"),
        new OpenAIClientOptions { Endpoint = settings.Endpoint, NetworkTimeout = settings.Patience, RetryPolicy = new ClientRetryPolicy(Retries) }).AsIChatClient();

    private string Explain(Exception e) => (e is AggregateException { InnerExceptions: [.., var last] } ? last : e) switch
    {
        ClientResultException { Status: 401 or 403 } => $"{settings.Endpoint} refuses the key: set {AssistantSettings.Section}:ApiKey to a valid one.",
        ClientResultException { Status: 404 } => $"{settings.Endpoint} knows no model '{settings.Model}'. Check {AssistantSettings.Section}:Model (with Ollama: `ollama pull {settings.Model}`) and that the Endpoint ends as the service says, often in /v1.",
        ClientResultException { Status: 429 } => $"{settings.Endpoint} takes no more for now: it is busy, or the key's quota is used up. Try again later.",
        ClientResultException { Status: >= 400 and < 500 } refused => $"{settings.Endpoint} did not take the request ({refused.Status}): {FirstLine(refused.Message)}",
        ClientResultException { Status: >= 500 } failed => $"{settings.Endpoint} failed ({failed.Status}). Try again; its log says why.",
        var other when other.GetBaseException() is System.Net.Sockets.SocketException socket => $"{settings.Endpoint} can't be reached: {FirstLine(socket.Message)}. Start the service (with Ollama: `ollama serve`), or correct {AssistantSettings.Section}:Endpoint.",
        var other => $"The answer of {settings.Endpoint} broke off: {FirstLine(other.Message)}",
    };

    private static string FirstLine(string text) => text.AsSpan().Trim().EnumerateLines().GetEnumerator() is var lines && lines.MoveNext() ? lines.Current[..Math.Min(300, lines.Current.Length)].ToString() : "";
}
