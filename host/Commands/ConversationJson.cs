using System.Text.Json.Nodes;
using System.Text.Json.Serialization;

namespace Dawn.Commands;

[JsonSerializable(typeof(JsonObject))]
internal sealed partial class ConversationJson : JsonSerializerContext;
