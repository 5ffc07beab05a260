// A light node without a network, for tests of the page: it stands in for services/node.js. What it does is steered by `globalThis.fake`.
import { DawnError } from "../../services/errors.js";
import { McpError } from "../../services/mcp.js";

const id = (/** @type {string} */ letter) => letter.repeat(52);
const home = id("a");

/** @typedef {{ name: string, title?: string, description?: string, inputSchema: object }} FakeTool */

/** @param {string} name @param {string} description @param {Record<string, object>} [properties] @param {string[]} [required] @returns {FakeTool} */
const tool = (name, description, properties = {}, required = Object.keys(properties).slice(0, 1)) => ({ name, description, inputSchema: { type: "object", properties, required } });
const string = { type: "string" };

/** @type {Record<string, { node: string, title: string, online?: boolean, tools: FakeTool[] }>} */
const agents = {
  first: { node: home, title: "First agent", tools: [tool("roll", "Rolls dice.", { dice: string, times: { type: "integer" } }), tool("slow", "Takes its time, and says how far it is.", { steps: { type: "integer" } }, []), tool("table", "A table."), tool("media", "A picture and a sound."), tool("fails", "Fails.")] },
  assistant: { node: id("b"), title: "Assistant", tools: [tool("chat", "Talks.", { message: string, conversation: string, attachments: { type: "array" } })] },
  text: { node: id("b"), title: "Text tools", tools: [tool("chat", "Talks, and takes text alone.", { message: string }), tool("count", "Counts words.", { text: string })] },
  node: { node: home, title: "Node", tools: [tool("status", "How the node is.")] },
  archive: { node: id("c"), title: "Archive", online: false, tools: [tool("find", "Finds.", { words: string })] },
};

const reply = "Here is what I found:\n\n1. **Calm** is a choice of *typography* first.\n2. `code` keeps its own voice.\n\n```js\nconst sum = (a, b) => a + b; // streams in\n```\n\n| city | degrees |\n|---|---:|\n| Kyoto | 21 |\n| Oslo | 2 |\n\n<script>alert(1)</script><img src=x onerror=alert(1)>\n\nThat is all.";

/** What tests steer and look at. */
const fake = {
  calls: /** @type {any[]} */ ([]), cancelled: /** @type {any[]} */ ([]), pieceTime: 5, failing: /** @type {Record<string, string>} */ ({}), tickets: /** @type {string[]} */ ([]),
  start: localStorage.getItem("fake.start") ?? "online",
  node: /** @type {LightNode | null} */ (null),
  /** @param {string} state */ go(state) { this.node?.set(state); },
  /** @param {string} agent @param {boolean} online */ presence(agent, online) { agents[agent].online = online; this.node?.dispatchEvent(new Event("agents")); },
};
Object.assign(globalThis, { fake });

export class LightNode extends EventTarget {
  id = id("p");
  roundTrip = 1.5;
  /** @type {any} */ status = { state: fake.start, node: this.id, home, network: "home", error: fake.start === "ticket-needed" ? { code: "ticket-needed", message: "It takes a ticket." } : null, retryAt: null, certificateEnds: null };

  /** @param {{ ticket: string | null }} options */
  static async open({ ticket }) {
    if (ticket !== null) {
      fake.tickets.push(ticket);
    }
    return fake.node = new LightNode();
  }

  /** @param {string} state */
  set(state) {
    this.status = { ...this.status, state, retryAt: state === "offline" ? Date.now() + 9_000 : null, error: state === "offline" ? { code: "no-connection", message: "The link ended." } : null };
    this.dispatchEvent(new Event("status"));
  }

  agents() {
    return Object.entries(agents).map(([agent, { node, title, tools, online = true }]) => ({ address: `${node}:${agent}`, node, agent, title, tools: tools.map(one => one.name), online: online && this.status.state === "online", isHome: node === home }));
  }

  nodes() {
    return [home, id("b"), id("c"), this.id].map(node => ({ node, role: "member", online: true, isHome: node === home, isSelf: node === this.id, encryption: "required", addresses: [], agents: 1 }));
  }

  /** @param {string} address */
  async connect(address) {
    const agent = agents[address.split(":")[1]];
    if (agent === undefined || agent.online === false) {
      throw new DawnError("unreachable", "No path leads to the node.", { outcome: "not-executed" });
    }
    return client(address.split(":")[1]);
  }

  /** @param {string} ticket */
  async redeem(ticket) {
    if (!ticket.startsWith("dawn")) {
      throw new DawnError("ticket-malformed", "This is no ticket.");
    }
    fake.tickets.push(ticket);
    this.set("online");
  }

  async whenOnline() {}
  hearOf() {}
  retry() { this.set("online"); }
  async takeOver() { this.set("online"); }
  async close() {}
}

/** @param {string} name */
function client(name) {
  return {
    server: { serverInfo: { name, version: "1" }, capabilities: { tools: {} } }, closed: new Promise(() => {}), close() {},
    /** @param {string} what */ list: async what => what === "tools" ? agents[name].tools : [],
    /** @param {string} method */ request: async method => method === "tools/list" ? { tools: agents[name].tools } : {},
    notify: async () => {},
    /** @param {string} tool @param {any} args @param {any} [options] */
    async callTool(tool, args, { signal, onProgress } = {}) {
      if (tool === "status") {
        return { content: [], structuredContent: { mode: "decentralized", peersConnected: 2, version: "0.1.0" } };
      }
      if (tool === "peers") {
        return { content: [], structuredContent: { peers: [] } };
      }
      fake.calls.push({ agent: name, tool, args });
      if (fake.failing[tool] !== undefined) {
        throw new DawnError("lost", "The session was lost.", { outcome: /** @type {any} */ (fake.failing[tool]) });
      }
      switch (tool) {
        case "chat": {
          const text = args.message.startsWith("echo ") ? args.message.slice(5) : reply;
          const pieces = text.match(/[\s\S]{1,12}/g) ?? [];
          for (const [progress, message] of pieces.entries()) {
            await pause(fake.pieceTime, signal, tool);
            onProgress?.({ progress: progress + 1, message });
          }
          return words(text);
        }
        case "slow": {
          const total = args.steps ?? 200;
          for (let progress = 0; progress < total; progress++) {
            onProgress?.({ progress, total, message: `Step ${progress + 1}` });
            await pause(20, signal, tool);
          }
          return words("Done at last.");
        }
        case "table": return { content: [{ type: "text", text: "{\"rows\":[]}" }], structuredContent: { rows: [{ city: "Kyoto", degrees: 21, tags: ["old", "calm"] }, { city: "Oslo", degrees: 2, tags: [] }] } };
        case "media": return { content: [{ type: "image", mimeType: "image/png", data: "iVBORw0KGgoAAAANSUhEUgAAAAoAAAAKCAYAAACNMs+9AAAAFUlEQVR42mP8z8BQz0AEYBxVSF+FABJADveWkH6oAAAAAElFTkSuQmCC" }, { type: "audio", mimeType: "audio/wav", data: "UklGRiQAAABXQVZFZm10IBAAAAABAAEAESsAACJWAAACABAAZGF0YQAAAAA=" }] };
        case "fails": throw new McpError(-32603, "The dice fell off the table.");
        case "roll": return { content: [{ type: "text", text: `You rolled ${args.dice}: **11**.` }] };
        default: return words("ok");
      }
    },
  };
}

/** @param {string} text */
const words = text => ({ content: [{ type: "text", text }] });

/** @param {number} ms @param {AbortSignal | undefined} signal @param {string} tool @returns {Promise<void>} */
const pause = (ms, signal, tool) => new Promise((resolve, reject) => {
  const cancel = () => {
    clearTimeout(timer);
    fake.cancelled.push(tool);
    reject(new DawnError("cancelled", "Cancelled.", { outcome: "outcome-unknown" }));
  };
  const timer = setTimeout(() => {
    signal?.removeEventListener("abort", cancel);
    resolve();
  }, ms);
  signal?.addEventListener("abort", cancel, { once: true });
});
