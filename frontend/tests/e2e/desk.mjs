// An MCP server over stdio that has one of everything, for the page's tests. What it does next is steered by its tool `steer`, which no list names:
// nothing here takes its own time, so that tests see each state as long as they look.
import { createInterface } from "node:readline";

/** @typedef {{ signal: AbortSignal, progress: (step: number, total?: number, message?: string) => void }} Context */
/** @typedef {(args: any, context: Context) => any} Tool */

const send = (/** @type {object} */ message) => process.stdout.write(`${JSON.stringify({ jsonrpc: "2.0", ...message })}\n`);
const notify = (/** @type {string} */ method, /** @type {object} */ params = {}) => send({ method, params });

/** Requests of ours that wait for an answer. @type {Map<string, (message: any) => void>} */
const asked = new Map();
/** @param {string} method @param {object} params @returns {Promise<any>} */
const ask = (method, params) => new Promise((resolve, reject) => {
  const id = `desk-${asked.size + 1}-${Date.now()}`;
  asked.set(id, ({ result, error }) => error === undefined ? resolve(result) : reject(Object.assign(new Error(error.message), { code: error.code })));
  send({ id, method, params });
});

/** What waits for `steer`, in order. @type {(() => void)[]} */
const waiting = [];
let steps = 0;
/** Settles at the next step that the test allows. @param {AbortSignal} signal @returns {Promise<void>} */
const step = signal => new Promise((resolve, reject) => {
  if (steps > 0) {
    steps--;
    resolve();
    return;
  }
  waiting.push(resolve);
  signal.addEventListener("abort", () => {
    waiting.splice(waiting.indexOf(resolve), 1);
    reject(signal.reason);
  }, { once: true });
});

/** What happened, for tests to look at. @type {{ said: string[], cancelled: string[] }} */
const log = { said: [], cancelled: [] };
let visits = 0;
let extra = false;

const words = (/** @type {string} */ text) => ({ content: [{ type: "text", text }] });
const dot = "iVBORw0KGgoAAAANSUhEUgAAAAoAAAAKCAYAAACNMs+9AAAAFUlEQVR42mP8z8BQz0AEYBxVSF+FABJADveWkH6oAAAAAElFTkSuQmCC";
// A quarter of a second of silence, in 8 bits at 8 kHz.
const sound = Buffer.concat([Buffer.from("UklGRvQHAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YdAHAAA=", "base64"), Buffer.alloc(2_000, 128)]).toString("base64");
const rich = "Here is what I found:\n\n1. **Calm** is a choice of *typography* first.\n2. `code` keeps its own voice.\n\n```js\nconst sum = (a, b) => a + b; // streams in\n```\n\n| city | degrees |\n|---|---:|\n| Kyoto | 21 |\n| Oslo | 2 |\n\n<script>alert(1)</script><img src=\"https://tracker.example/x.png\">\n\n![far](https://tracker.example/y.png) and [a link](https://example.org/).\n\nThat is all.";

const rooms = "Two rooms are free **tonight**, and both look over the water:\n\n| room | bed | price |\n|---|---|---:|\n| 101 | single | 90 € |\n| 102 | double | 120 € |\n\nTo hold one until six, call\n\n```js\nawait desk.hold({ room: 102, until: \"18:00\" }); // no card needed\n```\n\nBreakfast begins at *seven*.";

const booking = {
  type: "object", required: ["guest", "kind", "room"],
  properties: {
    guest: { type: "object", title: "Guest", required: ["name", "mail"], properties: { name: { type: "string", title: "Name", minLength: 2 }, mail: { type: "string", title: "E-mail", format: "email" }, born: { type: "string", format: "date", title: "Born" } } },
    kind: { type: "string", title: "Kind", enum: ["single", "double"], default: "single", description: "How many sleep there." },
    nights: { type: "integer", title: "Nights", minimum: 1, maximum: 14, default: 2 },
    extras: { type: "array", title: "Extras", uniqueItems: true, items: { type: "string", enum: ["breakfast", "parking", "late"] } },
    wishes: { type: "array", title: "Wishes", maxItems: 3, items: { type: "string", minLength: 1 } },
    room: { title: "Room", oneOf: [
      { title: "By number", type: "object", required: ["by", "number"], properties: { by: { const: "number" }, number: { type: "integer", title: "Number", minimum: 100 } } },
      { title: "By view", type: "object", required: ["by", "view"], properties: { by: { const: "view" }, view: { type: "string", title: "View", oneOf: [{ const: "sea", title: "The sea" }, { const: "hill", title: "The hill" }] } } },
    ] },
    loud: { type: "boolean", title: "Loud", default: false },
  },
};

/** @type {Record<string, { run: Tool, [more: string]: any }>} */
const tools = {
  chat: {
    title: "Chat", description: "Talks about rooms.",
    inputSchema: { type: "object", required: ["message"], properties: { message: { type: "string" }, conversation: { type: "string" }, attachments: { type: "array", items: { type: "object" } } } },
    run: async ({ message, attachments = [] }, context) => {
      log.said.push(message);
      const [verb, ...rest] = message.split(" ");
      switch (verb) {
        // In three pieces, each when it is allowed to.
        case "slowly": {
          const pieces = ["One, ", "two, ", "three."];
          for (const [index, piece] of pieces.entries()) {
            await step(context.signal);
            context.progress(index + 1, pieces.length, piece);
          }
          await step(context.signal);
          return words(pieces.join(""));
        }
        case "ask": return words(`You said ${JSON.stringify(await ask("elicitation/create", { message: "Which floor?", requestedSchema: { type: "object", required: ["floor"], properties: { floor: { type: "integer", title: "Floor", minimum: 0, maximum: 9 } } } }))}`);
        case "Which": return words(rooms);
        // Fails the first time, and not the second.
        case "break": {
          if (log.said.filter(one => one === message).length % 2 === 1) {
            throw new Error("The bell is broken.");
          }
          return words("The bell works again.");
        }
        case "files": return words(attachments.map((/** @type {any} */ one) => one.type === "resource" ? `${one.resource.uri} ${one.resource.text ?? "blob"}` : `${one.type} ${one.mimeType} ${one.data.length}`).join("\n"));
        case "show": return { content: [{ type: "text", text: "Look and listen." }, { type: "image", data: dot, mimeType: "image/png" }, { type: "audio", data: sound, mimeType: "audio/wav" }] };
        case "echo": {
          context.progress(1, 1, rest.join(" "));
          return words(rest.join(" "));
        }
        default: return words(rich);
      }
    },
  },
  book: { title: "Book a room", description: "Books one.\nNothing is paid.", inputSchema: booking, outputSchema: { type: "object" }, run: args => ({ content: [{ type: "text", text: JSON.stringify({ booked: args }) }], structuredContent: { number: 4711, ...args } }) },
  prices: { title: "Prices", description: "What rooms cost.", annotations: { readOnlyHint: true }, inputSchema: { type: "object" }, run: () => ({ content: [{ type: "text", text: "{\"rows\":[]}" }], structuredContent: { rows: [{ room: 101, price: 90, with: ["bed", "desk"] }, { room: 102, price: 120, with: [] }] } }) },
  media: { title: "Media", description: "A picture and a sound.", inputSchema: { type: "object" }, run: () => ({ content: [{ type: "image", data: dot, mimeType: "image/png" }, { type: "audio", data: sound, mimeType: "audio/wav" }, { type: "resource_link", uri: "desk://guests", name: "Guests" }] }) },
  slow: {
    title: "Clean up", description: "Goes from room to room.", inputSchema: { type: "object", properties: { rooms: { type: "integer", default: 3, minimum: 1 } } },
    run: async ({ rooms = 3 }, context) => {
      for (let room = 1; room <= rooms; room++) {
        context.progress(room, rooms, `Room ${room}`);
        await step(context.signal);
      }
      return words(`${rooms} rooms are clean.`);
    },
  },
  fail: { description: "Says no.", inputSchema: { type: "object" }, run: () => ({ isError: true, content: [{ type: "text", text: "The desk is closed." }] }) },
  wipe: { title: "Forget all", description: "Deletes all bookings.", annotations: { readOnlyHint: false, destructiveHint: true }, inputSchema: { type: "object", properties: { year: { type: "integer", default: 2024 } } }, run: ({ year }) => words(`${year} is forgotten.`) },
  ask: { title: "Ask the person", description: "Asks for a name.", inputSchema: { type: "object" }, run: async () => {
    const { action, content } = await ask("elicitation/create", { message: "Who are you?", requestedSchema: { type: "object", required: ["name"], properties: { name: { type: "string", title: "Name", minLength: 2 }, size: { type: "string", title: "Size", enum: ["s", "l"], enumNames: ["Small", "Large"], default: "s" } } } });
    return words(`They ${action}: ${JSON.stringify(content ?? null)}`);
  } },
  guess: { title: "Ask a model", description: "Asks for a completion.", inputSchema: { type: "object" }, run: async () => words((await ask("sampling/createMessage", { messages: [{ role: "user", content: { type: "text", text: "What is the capital of France?" } }], systemPrompt: "Be brief.", maxTokens: 20 })).content.text) },
};

/** Steers it: allows steps, changes a resource, adds a tool, tells what happened. @type {Tool} */
const steer = ({ steps: allowed = 0, change = false, more = false }) => {
  for (let one = 0; one < allowed; one++) {
    const next = waiting.shift();
    next === undefined ? steps++ : next();
  }
  if (change) {
    visits++;
    notify("notifications/resources/updated", { uri: "desk://guests" });
  }
  if (more) {
    extra = true;
    notify("notifications/tools/list_changed");
  }
  return { content: [{ type: "text", text: JSON.stringify(log) }], structuredContent: { ...log, waiting: waiting.length } };
};

const names = ["Ada", "Alan", "Barbara"];
const days = ["monday", "tuesday", "thursday"];

/** @type {Record<string, (params: any, context: Context) => any>} */
const methods = {
  initialize: ({ protocolVersion }) => ({
    protocolVersion, serverInfo: { name: "desk", title: "Front desk", version: "1" }, instructions: "Talk to it.",
    capabilities: { tools: { listChanged: true }, resources: { subscribe: true, listChanged: true }, prompts: { listChanged: true }, completions: {} },
  }),
  ping: () => ({}),
  "tools/list": () => ({ tools: [...Object.entries(tools).map(([name, { run, ...tool }]) => ({ name, ...tool })), ...(extra ? [{ name: "late", title: "Came later", inputSchema: { type: "object" } }] : [])] }),
  "tools/call": ({ name, arguments: args }, context) => {
    const tool = name === "steer" ? steer : tools[name]?.run;
    if (tool === undefined) {
      throw Object.assign(new Error(`There is no tool '${name}'.`), { code: -32602 });
    }
    return tool(args ?? {}, context);
  },
  "resources/list": () => ({ resources: [{ uri: "desk://guests", name: "guests", title: "Guests now", mimeType: "application/json" }, { uri: "desk://photo", name: "photo", title: "Photo", mimeType: "image/png" }] }),
  "resources/templates/list": () => ({ resourceTemplates: [{ uriTemplate: "desk://menu/{day}{?guests}", name: "menu", title: "Menu of a day" }] }),
  "resources/read": ({ uri }) => ({ contents: [uri === "desk://photo" ? { uri, mimeType: "image/png", blob: dot } : { uri, mimeType: "application/json", text: JSON.stringify(uri === "desk://guests" ? { guests: visits } : { uri }) }] }),
  "resources/subscribe": () => ({}),
  "resources/unsubscribe": () => ({}),
  "prompts/list": () => ({ prompts: [{ name: "letter", title: "Write a letter", description: "To a guest.", arguments: [{ name: "to", description: "Whom.", required: true }, { name: "tone" }] }] }),
  "prompts/get": ({ arguments: args }) => ({ description: "A letter.", messages: [{ role: "user", content: { type: "text", text: `Write to ${args.to}${args.tone ? `, ${args.tone}` : ""}.` } }] }),
  "completion/complete": ({ argument, context }) => ({ completion: { values: (argument.name === "to" ? names : argument.name === "day" ? days : argument.name === "tone" ? [`warm, as to ${context?.arguments?.to ?? "nobody"}`] : []).filter(one => one.startsWith(argument.value)) } }),
};

/** @type {Map<string | number, AbortController>} */
const running = new Map();

/** @param {any} message */
async function answer({ id, method, params = {} }) {
  const abort = new AbortController();
  running.set(id, abort);
  const token = params._meta?.progressToken;
  const context = {
    signal: abort.signal,
    progress: (/** @type {number} */ progress, /** @type {number | undefined} */ total, /** @type {string | undefined} */ text) => token !== undefined && notify("notifications/progress", { progressToken: token, progress, total, message: text }),
  };
  try {
    const handler = methods[method];
    if (handler === undefined) {
      throw Object.assign(new Error(`This server does not know '${method}'.`), { code: -32601 });
    }
    const result = await handler(params, context);
    send({ id, result });
  } catch (error) {
    const { code = -32603, message } = /** @type {any} */ (error);
    if (!abort.signal.aborted) {
      send({ id, error: { code, message } });
    }
  }
  running.delete(id);
}

createInterface({ input: process.stdin }).on("line", line => {
  const message = JSON.parse(line);
  if (message.method === undefined) {
    asked.get(message.id)?.(message);
    asked.delete(message.id);
  } else if (message.id !== undefined) {
    void answer(message);
  } else if (message.method === "notifications/cancelled") {
    const { requestId } = message.params;
    if (running.has(requestId)) {
      log.cancelled.push(String(message.params.reason ?? ""));
      running.get(requestId)?.abort(new Error("cancelled"));
    }
  }
}).on("close", () => process.exit(0));
