// What the home node's agent `node` tells of the network, and goes on telling.
import { Connection } from "../tools/connection.js";

/** @typedef {import("./model.js").Facts} Facts */
/** @typedef {"status" | "peers" | "links" | "routes" | "plugins"} Name */

/** @type {readonly Name[]} */
const names = ["status", "peers", "links", "routes", "plugins"];
const scheme = "dawn://node/";

/** Events: `change`. */
export class HomeFacts extends EventTarget {
  #until = new AbortController();
  /** @type {Set<Name>} */
  #reading = new Set();
  /** @type {Set<Name>} */
  #stale = new Set();
  /** @type {Facts} */
  facts = {};
  /** Why something isn't told. @type {Partial<Record<Name, string>>} */
  refusals = {};

  /** @param {string} home @param {import("../tools/connection.js").Connect} connect */
  constructor(home, connect) {
    super();
    this.home = home;
    this.connection = new Connection(`${home}:node`, connect);
    const { signal } = this.#until;
    this.connection.addEventListener("state", () => this.#tell(), { signal });
    this.connection.addEventListener("list", () => this.#tell(), { signal });
    this.connection.addEventListener("updated", event => {
      const name = names.find(name => scheme + name === /** @type {CustomEvent} */ (event).detail);
      if (name !== undefined) {
        void this.#read(name);
      }
    }, { signal });
    void this.open();
  }

  async open() {
    try {
      await this.connection.open();
    } catch {
      return; // its state says so
    }
    await Promise.all(names.map(async name => {
      // What may not be followed may still be read.
      await this.connection.subscribe(scheme + name).catch(() => {});
      await this.#read(name);
    }));
  }

  /** Whether the node offers a tool to this page; admin tools are its owner's. Null while that isn't known. @param {string} name @returns {boolean | null} */
  offers(name) {
    const { tools } = this.connection.lists;
    return tools.length === 0 ? null : tools.some(tool => tool.name === name);
  }

  /** @param {string} name @param {Record<string, unknown>} args @returns {Promise<any>} The structured result. @throws {Error} In the node's words. */
  async call(name, args) {
    const result = await (await this.connection.open()).callTool(name, args);
    if (result?.isError) {
      throw new Error(result.content?.[0]?.text ?? name);
    }
    return result?.structuredContent ?? JSON.parse(result?.content?.[0]?.text ?? "null");
  }

  /** Reads what changes without being told: how long the ways are. */
  refresh() {
    if (this.connection.state === "ready") {
      void this.#read("links");
      void this.#read("routes");
    }
  }

  close() {
    this.#until.abort();
    this.connection.close();
  }

  /** One at a time of each: what changes meanwhile is read once more. @param {Name} name */
  async #read(name) {
    if (this.#reading.has(name)) {
      this.#stale.add(name);
      return;
    }
    this.#reading.add(name);
    try {
      const answer = await (await this.connection.open()).request("resources/read", { uri: scheme + name });
      const value = JSON.parse(answer?.contents?.[0]?.text ?? "null");
      this.facts = { ...this.facts, [name]: name === "status" ? value ?? undefined : Array.isArray(value?.[name]) ? value[name] : [] };
      delete this.refusals[name];
    } catch (error) {
      this.refusals[name] = error instanceof Error ? error.message : String(error);
    }
    this.#reading.delete(name);
    this.#tell();
    if (this.#stale.delete(name) && !this.#until.signal.aborted) {
      void this.#read(name);
    }
  }

  #tell() {
    if (!this.#until.signal.aborted) {
      this.dispatchEvent(new Event("change"));
    }
  }
}
