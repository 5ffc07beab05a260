// One request to an agent, from its beginning to whatever became of it.
import { uniqueId } from "../dom.js";
import { DawnError } from "../../services/errors.js";

/** @typedef {import("../../services/mcp.js").McpClient} McpClient */
/** @typedef {import("../../services/mcp.js").Progress} Progress */
/** @typedef {"tool" | "resource" | "prompt"} Kind */
/** @typedef {{ agent: import("../../services/node.js").AgentEntry, kind: Kind, name: string, arguments: Record<string, unknown>, result: any, error: unknown, startedAt: number, duration: number, status: "done" | "failed" | "cancelled" }} Result */

// Longer than any tool that says nothing meanwhile should take; a person can cancel at any time, and a lost connection ends it at once.
const silenceMs = 600_000;

/** @type {Record<Kind, (name: string, args: Record<string, unknown>) => { method: string, params: Record<string, unknown> }>} */
const requests = {
  tool: (name, args) => ({ method: "tools/call", params: { name, arguments: args } }),
  resource: name => ({ method: "resources/read", params: { uri: name } }),
  prompt: (name, args) => ({ method: "prompts/get", params: { name, arguments: args } }),
};

/** Events: `change`. */
export class Call extends EventTarget {
  #abort = new AbortController();
  id = uniqueId("call");
  /** @type {"running" | "done" | "failed" | "cancelled"} */
  status = "running";
  /** @type {Progress | null} */
  progress = null;
  /** @type {any} */
  result = undefined;
  /** @type {any} */
  error = null;
  startedAt = Date.now();
  #start = performance.now();
  #duration = 0;

  /** @param {import("../../services/node.js").AgentEntry} agent @param {Kind} kind @param {string} name @param {Record<string, unknown>} args */
  constructor(agent, kind, name, args) {
    super();
    this.agent = agent;
    this.kind = kind;
    this.name = name;
    this.arguments = args;
    this.request = requests[kind](name, args);
  }

  /** Milliseconds so far, or in all. */
  get duration() {
    return this.status === "running" ? performance.now() - this.#start : this.#duration;
  }

  /** @param {() => Promise<McpClient>} client */
  async run(client) {
    const { signal } = this.#abort;
    try {
      // A connection that comes up slowly can be given up on too.
      const cancelled = new Promise((_, reject) => signal.addEventListener("abort", () => reject(new DawnError("cancelled", "Cancelled.", { outcome: "not-executed" })), { once: true }));
      cancelled.catch(() => {}); // told below, or of no interest any more
      const connected = await /** @type {Promise<McpClient>} */ (Promise.race([client(), cancelled]));
      this.result = await connected.request(this.request.method, this.request.params, {
        signal, timeout: silenceMs, onProgress: progress => {
          this.progress = progress;
          this.dispatchEvent(new Event("change"));
        },
      });
      this.#end(this.result?.isError === true ? "failed" : "done");
    } catch (error) {
      this.error = error;
      this.#end(signal.aborted ? "cancelled" : "failed");
    }
  }

  cancel() {
    this.#abort.abort();
  }

  /** For the conversation. @returns {Result} */
  get summary() {
    const { agent, kind, name, result, error, startedAt, duration, status } = this;
    return { agent, kind, name, arguments: this.arguments, result, error, startedAt, duration, status: status === "running" ? "failed" : status };
  }

  /** @param {"done" | "failed" | "cancelled"} status */
  #end(status) {
    this.#duration = performance.now() - this.#start;
    this.status = status;
    this.dispatchEvent(new Event("change"));
  }
}
