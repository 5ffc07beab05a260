// Who can be talked to: what nodes say they host, a connection to each that is talked to, and what their tools are.
import { Signal } from "./signal.js";

/** @typedef {import("../services/node.js").AgentEntry} AgentEntry */
/** @typedef {import("../services/mcp.js").McpClient} McpClient */
/** @typedef {{ name: string, title?: string, description?: string, inputSchema?: any }} Tool */

// Connections cost the agent's node something; the one that was unused for longest ends for a new one.
const maxConnections = 16;

export class Agents {
  #node;
  #options;
  /** @type {Map<string, Promise<McpClient>>} */
  #clients = new Map();
  /** @type {Map<string, Promise<Tool[]>>} */
  #tools = new Map();
  /** @type {Signal<AgentEntry[]>} */
  all = new Signal(/** @type {AgentEntry[]} */ ([]));

  /** @param {import("../services/node.js").LightNode} node @param {(address: string) => import("../services/mcp.js").McpOptions} options What to answer agents with that ask. */
  constructor(node, options) {
    this.#node = node;
    this.#options = options;
    const update = () => {
      this.all.value = node.agents();
    };
    node.addEventListener("agents", update);
    node.addEventListener("status", update);
    update();
  }

  /** @param {string} address */
  find(address) {
    return this.all.value.find(agent => agent.address === address) ?? null;
  }

  /** Those whose name begins so, whoever hosts them. @param {string} name */
  named(name) {
    const wanted = name.toLowerCase();
    return this.all.value.filter(agent => agent.agent.startsWith(wanted) || agent.address.startsWith(wanted) || agent.title.toLowerCase().startsWith(wanted));
  }

  /** A connection to an agent, shared by all who talk to it. @param {string} address @param {AbortSignal} [signal] @returns {Promise<McpClient>} */
  client(address, signal) {
    const known = this.#clients.get(address);
    if (known !== undefined) {
      this.#clients.delete(address);
      this.#clients.set(address, known);
      return known;
    }
    const connecting = this.connect(address, { signal, onNotification: method => method === "notifications/tools/list_changed" && this.#tools.delete(address) });
    this.#clients.set(address, connecting);
    const forget = () => {
      if (this.#clients.get(address) === connecting) {
        this.#clients.delete(address);
        this.#tools.delete(address);
      }
    };
    void connecting.then(client => client.closed.then(forget, forget), forget);
    if (this.#clients.size > maxConnections) {
      const [[oldest, client]] = this.#clients;
      this.#clients.delete(oldest);
      void client.then(client => client.close(), () => {}); // one that never opened needs no end
    }
    return connecting;
  }

  /** A connection of one's own, to be closed by whoever asked for it. @param {string} address @param {import("../services/mcp.js").McpOptions} options */
  connect(address, options) {
    return this.#node.connect(address, { ...this.#options(address), ...options });
  }

  /** The tools of an agent. @param {string} address @param {AbortSignal} [signal] @returns {Promise<Tool[]>} */
  tools(address, signal) {
    let tools = this.#tools.get(address);
    if (tools === undefined) {
      tools = this.client(address, signal).then(client => client.list("tools", { signal }));
      this.#tools.set(address, tools);
      tools.catch(() => this.#tools.delete(address));
    }
    return tools;
  }

  /** Whether an agent talks, as far as its node says. @param {string} address */
  talks(address) {
    return this.find(address)?.tools.includes("chat") ?? false;
  }
}
