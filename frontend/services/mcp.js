// An MCP client (2025-11-25) on a channel: requests with progress and cancellation, notifications, and what servers ask of clients.
import { fromText, toText } from "./bytes.js";
import { DawnError } from "./errors.js";

/** @typedef {import("./bytes.js").Bytes} Bytes */
/** @typedef {{ progress: number, total?: number, message?: string }} Progress */

export const protocolVersion = "2025-11-25";

// Requests of a server that wait for an answer, as from a person; it can't ask more of us at once.
const maxAsked = 64;
const defaultTimeout = 60_000;

/** What an agent answers in place of a result; `code` is JSON-RPC's. */
export class McpError extends Error {
  /** @param {number} code @param {string} message @param {unknown} [data] */
  constructor(code, message, data) {
    super(message);
    this.name = "McpError";
    this.code = code;
    this.data = data;
    /** What became of the call, where Dawn answered in the agent's place. @type {import("./errors.js").Outcome | undefined} */
    this.outcome = isObject(data) && (data.dawn === "not-executed" || data.dawn === "outcome-unknown") ? data.dawn : undefined;
  }
}

/**
 * Something that carries messages.
 * @typedef {object} MessageChannelLike
 * @property {(message: Bytes, options?: import("./channel.js").SendOptions) => Promise<void>} send
 * @property {() => Promise<Bytes | null>} read
 * @property {(code?: number, reason?: string) => void} close
 * @property {DawnError | null} error
 */

/**
 * @typedef {object} McpOptions
 * @property {{ name: string, title?: string, version: string }} [clientInfo]
 * @property {Record<string, unknown>} [capabilities] What the handlers can do, as `{ elicitation: {} }`.
 * @property {Record<string, (params: any, context: { signal: AbortSignal }) => unknown>} [handlers] Answer a server's requests, by method.
 * @property {(method: string, params: any) => void} [onNotification]
 * @property {import("./runtime.js").Runtime} [runtime]
 * @property {AbortSignal} [signal] Gives up the initialization.
 */

/**
 * @typedef {object} RequestOptions
 * @property {AbortSignal} [signal] Cancels the request: the agent is told.
 * @property {number} [timeout] Milliseconds without an answer or progress; none where 0.
 * @property {(progress: Progress) => void} [onProgress]
 * @property {import("./channel.js").SendOptions} [sending] Of the request itself, where that is long.
 */

/** @typedef {{ resolve: (result: any) => void, reject: (error: unknown) => void, onProgress?: (progress: Progress) => void, touch: () => void, isSent: boolean }} Pending */

export class McpClient {
  #channel;
  #options;
  #nextId = 1;
  /** @type {Map<number, Pending>} */
  #pending = new Map();
  /** The server's requests that are being answered. @type {Map<string | number, AbortController>} */
  #asked = new Map();
  /** @type {DawnError | null} */
  #end = null;
  /** What the server said of itself. @type {any} */
  server = null;
  /** Ends with the connection; null where it was closed without a fault. @type {Promise<DawnError | null>} */
  closed;

  /** @param {MessageChannelLike} channel @param {McpOptions} options */
  constructor(channel, options) {
    this.#channel = channel;
    this.#options = options;
    this.closed = this.#read();
  }

  /** Begins the conversation. @param {MessageChannelLike} channel @param {McpOptions} [options] */
  static async connect(channel, options = {}) {
    const client = new McpClient(channel, options);
    try {
      const answer = await client.request("initialize", {
        protocolVersion, capabilities: options.capabilities ?? {}, clientInfo: options.clientInfo ?? { name: "dawn-web", version: "1" },
      }, { signal: options.signal });
      if (!isObject(answer) || typeof answer.protocolVersion !== "string") {
        throw new DawnError("protocol", "The agent's answer to 'initialize' is none.");
      }
      client.server = answer;
      await client.notify("notifications/initialized");
      return client;
    } catch (error) {
      client.close();
      throw error;
    }
  }

  /**
   * @param {string} method @param {Record<string, unknown>} [params] @param {RequestOptions} [options]
   * @returns {Promise<any>}
   * @throws {McpError | DawnError}
   */
  async request(method, params, { signal, timeout = defaultTimeout, onProgress, sending } = {}) {
    if (this.#end !== null) {
      throw new DawnError(this.#end.code, this.#end.message, { outcome: "not-executed" });
    }
    if (signal?.aborted) {
      throw new DawnError("cancelled", "Cancelled.", { outcome: "not-executed" });
    }
    const id = this.#nextId++;
    const meta = onProgress === undefined ? {} : { _meta: { ...(isObject(params?._meta) ? params._meta : {}), progressToken: id } };
    /** @type {unknown} */
    let timer;
    const runtime = this.#options.runtime;
    const giveUp = (/** @type {DawnError} */ error) => {
      const pending = this.#pending.get(id);
      this.#pending.delete(id);
      // MCP forbids to cancel 'initialize'.
      if (pending !== undefined && method !== "initialize") {
        void this.notify("notifications/cancelled", { requestId: id, reason: error.message }).catch(() => {}); // the connection's end is told elsewhere
      }
      pending?.reject(error);
    };
    const onAbort = () => giveUp(new DawnError("cancelled", "Cancelled.", { outcome: "outcome-unknown" }));
    const touch = () => {
      clear();
      timer = timeout > 0 ? set(() => giveUp(new DawnError("timeout", `No answer within ${timeout / 1000} s.`, { outcome: "outcome-unknown" })), timeout) : undefined;
    };
    const set = runtime?.setTimer ?? ((/** @type {() => void} */ action, /** @type {number} */ ms) => setTimeout(action, ms));
    const clear = () => (runtime?.clearTimer ?? (timer => clearTimeout(timer)))(timer);
    signal?.addEventListener("abort", onAbort, { once: true });
    try {
      return await new Promise((resolve, reject) => {
        this.#pending.set(id, { resolve, reject, onProgress, touch, isSent: false });
        touch();
        const onHeld = (/** @type {number} */ held, /** @type {number} */ total) => {
          // What is under way is no silence.
          if (this.#pending.has(id)) {
            touch();
            sending?.onHeld?.(held, total);
          }
        };
        this.#send({ jsonrpc: "2.0", id, method, params: { ...params, ...meta } }, sending === undefined ? undefined : { ...sending, onHeld }).then(
          () => {
            const pending = this.#pending.get(id);
            if (pending !== undefined) {
              pending.isSent = true;
            }
          },
          error => {
            this.#pending.delete(id);
            reject(error);
          });
      });
    } finally {
      clear();
      signal?.removeEventListener("abort", onAbort);
    }
  }

  /** @param {string} method @param {Record<string, unknown>} [params] */
  notify(method, params) {
    return this.#send(params === undefined ? { jsonrpc: "2.0", method } : { jsonrpc: "2.0", method, params });
  }

  /** All pages of a list. @param {"tools" | "prompts" | "resources" | "resourceTemplates"} what @param {RequestOptions} [options] @returns {Promise<any[]>} */
  async list(what, options) {
    const items = [];
    const method = what === "resourceTemplates" ? "resources/templates/list" : `${what}/list`;
    let cursor;
    // A server whose pages never end is stopped at some point.
    for (let page = 0; page < 1_000; page++) {
      const answer = await this.request(method, cursor === undefined ? {} : { cursor }, options);
      items.push(...(Array.isArray(answer?.[what]) ? answer[what] : []));
      cursor = answer?.nextCursor;
      if (typeof cursor !== "string") {
        break;
      }
    }
    return items;
  }

  /** @param {string} name @param {Record<string, unknown>} [args] @param {RequestOptions} [options] */
  callTool(name, args = {}, options) {
    return this.request("tools/call", { name, arguments: args }, options);
  }

  close() {
    this.#finish(new DawnError("closed", "The connection was closed."));
    this.#channel.close();
  }

  /** Closes at once: what has not left yet never will. */
  abandon() {
    this.#finish(new DawnError("closed", "The connection was closed."));
    this.#channel.close(6, "The client gave up.");
  }

  /** @param {Record<string, unknown>} message @param {import("./channel.js").SendOptions} [options] */
  #send(message, options) {
    return this.#channel.send(fromText(JSON.stringify(message)), options);
  }

  async #read() {
    for (let bytes = await this.#channel.read(); bytes !== null; bytes = await this.#channel.read()) {
      try {
        const message = JSON.parse(toText(bytes));
        if (isObject(message) && message.jsonrpc === "2.0") {
          this.#take(message);
        }
      } catch (error) {
        // What is no JSON can't be answered, and a callback that fails is its page's to mend; neither ends the conversation.
        console.warn("An MCP message was dropped:", error);
      }
    }
    this.#finish(this.#channel.error ?? new DawnError("closed", "The agent closed the connection."));
    return this.#channel.error;
  }

  /** @param {Record<string, any>} message */
  #take(message) {
    const { id, method, params } = message;
    if (typeof method === "string" && (typeof id === "string" || typeof id === "number")) {
      void this.#answer(id, method, params);
    } else if (typeof method === "string") {
      this.#takeNotification(method, params);
    } else if (typeof id === "number") {
      const pending = this.#pending.get(id);
      this.#pending.delete(id);
      const error = message.error;
      if (isObject(error)) {
        pending?.reject(new McpError(typeof error.code === "number" ? error.code : 0, typeof error.message === "string" ? error.message : "The agent failed.", error.data));
      } else {
        pending?.resolve(message.result);
      }
    }
  }

  /** @param {string} method @param {any} params */
  #takeNotification(method, params) {
    if (method === "notifications/progress" && isObject(params) && typeof params.progressToken === "number") {
      const pending = this.#pending.get(params.progressToken);
      pending?.touch();
      pending?.onProgress?.(/** @type {any} */ (params));
    } else if (method === "notifications/cancelled" && isObject(params)) {
      this.#asked.get(params.requestId)?.abort();
    } else {
      this.#options.onNotification?.(method, params);
    }
  }

  /** @param {string | number} id @param {string} method @param {any} params */
  async #answer(id, method, params) {
    const handler = method === "ping" ? () => ({}) : Object.hasOwn(this.#options.handlers ?? {}, method) ? this.#options.handlers?.[method] : undefined;
    const abort = new AbortController();
    /** @type {Record<string, unknown>} */
    let outcome;
    if (handler === undefined) {
      outcome = { error: { code: -32601, message: `This client does not answer '${method}'.` } };
    } else if (this.#asked.size >= maxAsked || this.#asked.has(id)) {
      outcome = { error: { code: -32600, message: this.#asked.has(id) ? "A request with this id is being answered." : `${maxAsked} requests are being answered already.` } };
    } else {
      this.#asked.set(id, abort);
      try {
        outcome = { result: await handler(params, { signal: abort.signal }) ?? {} };
      } catch (error) {
        outcome = { error: error instanceof McpError ? { code: error.code, message: error.message, data: error.data } : { code: -32603, message: "The client could not answer." } };
      }
      this.#asked.delete(id);
    }
    if (!abort.signal.aborted && this.#end === null) {
      await this.#send({ jsonrpc: "2.0", id, ...outcome }).catch(() => {}); // the connection's end is told elsewhere
    }
  }

  /** @param {DawnError} error */
  #finish(error) {
    if (this.#end !== null) {
      return;
    }
    this.#end = error;
    const neverSeen = ["unknown-agent", "refused", "bad-address"].includes(error.code);
    for (const pending of this.#pending.values()) {
      pending.reject(new DawnError(error.code, error.message, { outcome: neverSeen || !pending.isSent ? "not-executed" : "outcome-unknown" }));
    }
    this.#pending.clear();
    this.#asked.forEach(abort => abort.abort());
  }
}

/** @param {unknown} value @returns {value is Record<string, any>} */
const isObject = value => typeof value === "object" && value !== null && !Array.isArray(value);
