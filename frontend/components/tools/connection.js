// A conversation with one agent: what it offers, and what it says when that changes.
import { DawnError } from "../../services/errors.js";

/** @typedef {import("../../services/mcp.js").McpClient} McpClient */
/** @typedef {"tools" | "resources" | "resourceTemplates" | "prompts"} What */
/** @typedef {(address: string, options: { onNotification: (method: string, params: any) => void }) => Promise<McpClient>} Connect */

/** @type {readonly What[]} */
const all = ["tools", "resources", "resourceTemplates", "prompts"];
/** @type {Record<string, What[]>} */
const changes = { "notifications/tools/list_changed": ["tools"], "notifications/prompts/list_changed": ["prompts"], "notifications/resources/list_changed": ["resources", "resourceTemplates"] };

// What lived shorter than this is not begun again by itself: an agent that hangs up at once would be called without end.
const steadyMs = 5_000;

/** Events: `state`, `list` (of `detail`), `updated` (a resource, by its URI in `detail`). */
export class Connection extends EventTarget {
  #connect;
  /** @type {Promise<McpClient> | null} */
  #opening = null;
  /** @type {Map<string, number>} */
  #subscribed = new Map();
  /** @type {Set<What>} */
  #loading = new Set();
  /** @type {Set<What>} */
  #stale = new Set();
  #since = 0;
  /** @type {McpClient | null} */
  client = null;
  /** @type {"connecting" | "ready" | "failed" | "closed"} */
  state = "connecting";
  /** @type {any} */
  error = null;
  /** @type {Record<What, any[]>} */
  lists = { tools: [], resources: [], resourceTemplates: [], prompts: [] };

  /** @param {string} address @param {Connect} connect */
  constructor(address, connect) {
    super();
    this.address = address;
    this.#connect = connect;
  }

  /** @returns {any} */
  get capabilities() {
    return this.client?.server?.capabilities ?? {};
  }

  /** The client; connects where there is none. @returns {Promise<McpClient>} */
  open() {
    if (this.state === "closed") {
      return Promise.reject(new DawnError("closed", "The agent was left.", { outcome: "not-executed" }));
    }
    this.#opening ??= this.#open();
    return this.#opening;
  }

  close() {
    this.state = "closed";
    this.client?.close();
  }

  /** Is told of changes from now on. @param {string} uri */
  async subscribe(uri) {
    const client = await this.open();
    const count = this.#subscribed.get(uri) ?? 0;
    if (count === 0) {
      await client.request("resources/subscribe", { uri });
    }
    this.#subscribed.set(uri, count + 1);
  }

  /** @param {string} uri */
  async unsubscribe(uri) {
    this.#subscribed.delete(uri);
    await this.client?.request("resources/unsubscribe", { uri });
  }

  /** What may be meant by the beginning of an argument. @param {Record<string, string>} ref @param {string} name @param {string} value @param {Record<string, string>} others @returns {Promise<string[]>} */
  async complete(ref, name, value, others) {
    const client = await this.open();
    const answer = await client.request("completion/complete", { ref, argument: { name, value }, context: { arguments: others } }, { timeout: 10_000 });
    const values = answer?.completion?.values;
    return Array.isArray(values) ? values.filter(one => typeof one === "string") : [];
  }

  async #open() {
    this.#become("connecting");
    try {
      const client = await this.#connect(this.address, { onNotification: (method, params) => this.#hear(method, params) });
      if (/** @type {string} */ (this.state) === "closed") {
        client.close();
        throw new DawnError("closed", "The agent was left.", { outcome: "not-executed" });
      }
      this.client = client;
      this.#since = performance.now();
      void client.closed.then(error => this.#onClosed(client, error));
      this.#become("ready");
      await Promise.all([...this.#subscribed.keys()].map(uri => client.request("resources/subscribe", { uri }).catch(() => this.#subscribed.delete(uri)))); // gone meanwhile
      all.forEach(what => void this.#load(what));
      return client;
    } catch (error) {
      this.#opening = null;
      this.#become("failed", error);
      throw error;
    }
  }

  /** @param {McpClient} client @param {unknown} error */
  #onClosed(client, error) {
    if (this.client === client) {
      this.client = null;
      this.#opening = null;
      this.#become("failed", error ?? new DawnError("closed", "The agent closed the connection."));
      if (performance.now() - this.#since > steadyMs) {
        this.open().catch(() => {}); // its state says so
      }
    }
  }

  /** @param {"connecting" | "ready" | "failed"} state @param {unknown} [error] */
  #become(state, error = null) {
    if (this.state !== "closed") {
      this.state = state;
      this.error = error;
      this.dispatchEvent(new Event("state"));
    }
  }

  /** One at a time of a kind: a server that says "changed" without end is asked once more after each answer. @param {What} what */
  async #load(what) {
    const capability = what === "resourceTemplates" ? "resources" : what;
    if (this.client === null || this.capabilities[capability] === undefined) {
      return;
    }
    if (this.#loading.has(what)) {
      this.#stale.add(what);
      return;
    }
    this.#loading.add(what);
    try {
      this.lists[what] = (await this.client.list(what)).filter(one => typeof one === "object" && one !== null);
      this.dispatchEvent(new CustomEvent("list", { detail: what }));
    } catch (error) {
      // Templates are optional beside resources, and many servers know no such method.
      if (what !== "resourceTemplates" && this.client !== null) {
        this.error = error;
        this.dispatchEvent(new Event("state"));
      }
    } finally {
      this.#loading.delete(what);
      if (this.#stale.delete(what)) {
        void this.#load(what);
      }
    }
  }

  /** @param {string} method @param {any} params */
  #hear(method, params) {
    if (Object.hasOwn(changes, method)) {
      changes[method].forEach(what => void this.#load(what));
    } else if (method === "notifications/resources/updated" && typeof params?.uri === "string") {
      this.dispatchEvent(new CustomEvent("updated", { detail: params.uri }));
    }
  }
}
