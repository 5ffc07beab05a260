// A light node: a page, or a program, that is a member of the network in its own right. It calls agents and hosts none.
import { DawnError } from "./errors.js";
import { Home } from "./home.js";
import { Identity, nodeFromText, nodeText } from "./identity.js";
import { frames } from "./link.js";
import { McpClient } from "./mcp.js";
import { isAgentId, writeRecord } from "./records.js";
import { Registry, askForAll, writeLeave } from "./registry.js";
import { system } from "./runtime.js";
import { Sessions } from "./sessions.js";
import { openStore } from "./store.js";

/** @typedef {import("./bytes.js").Bytes} Bytes */
/** @typedef {import("./home.js").Status} Status */
/** @typedef {{ address: string, node: string, agent: string, title: string, tools: string[], online: boolean, isHome: boolean }} AgentEntry */
/** @typedef {{ node: string, role: import("./certificate.js").Role, online: boolean, isHome: boolean, isSelf: boolean, encryption: string, addresses: string[], agents: number }} NodeEntry */

/**
 * @typedef {object} OpenOptions
 * @property {string} url The gateway's address or its link endpoint: `http://127.0.0.1:7600`, `ws://127.0.0.1:7600/link`.
 * @property {string | null} [ticket]
 * @property {import("./store.js").Store} [store] IndexedDB where left out.
 * @property {import("./stream.js").SocketConstructor} [WebSocket]
 * @property {import("./runtime.js").Runtime} [runtime]
 * @property {LockManager | null} [locks] The browser's where left out; null where there is one page only.
 * @property {number} [rekeyAfter] Milliseconds, of links and sessions.
 */

// Long enough to cost the network little, and short enough that a closed page is forgotten soon.
const recordLifetime = 3_600_000;
const callerId = "page";
// Whoever sits before a page is its owner, as whoever types is of a machine's node: a node that lists this page among its owners takes orders from it.
const ownerId = "owner";

/** Events: `status`, `agents` (any change of nodes and agents). */
export class LightNode extends EventTarget {
  #identity;
  #runtime;
  #store;
  #home;
  #sessions;
  /** @type {Registry | null} */
  #registry = null;
  /** @type {unknown} */
  #publishing = null;
  #sequence = 0;
  #hasAsked = false;

  /** @param {Identity} identity @param {OpenOptions & { store: import("./store.js").Store, runtime: import("./runtime.js").Runtime }} options @param {CryptoKeyPair} staticKey */
  constructor(identity, options, staticKey) {
    super();
    const { runtime, store } = options;
    this.#identity = identity;
    this.#runtime = runtime;
    this.#store = store;
    this.#home = new Home({
      url: linkUrl(options.url), Socket: options.WebSocket ?? WebSocket, store, identity, staticKey, runtime, rekeyAfter: options.rekeyAfter,
      locks: options.locks === undefined ? globalThis.navigator?.locks ?? null : options.locks,
    });
    this.#sessions = new Sessions(this.#home, identity, runtime, options.rekeyAfter);
    this.#sessions.onAlive = node => this.#registry?.isAlive(node);
    this.#home.onUp = (link, network) => this.#onUp(link, network.key);
    this.#home.onRenewed = link => void this.#publish(link).catch(error => console.error(error));
    this.#home.onDown = () => this.#sessions.onNoLink();
    this.#home.addEventListener("status", () => this.dispatchEvent(new Event("status")));
  }

  /**
   * Opens the node: its identity is made at the first time, and kept. Returns at once; `status` says how things stand.
   * @param {OpenOptions} options
   */
  static async open(options) {
    if (globalThis.crypto?.subtle === undefined) {
      throw new DawnError("unsupported", "This page needs a secure context: open it at http://127.0.0.1 or by https.");
    }
    const [store, runtime] = [options.store ?? await openStore(), options.runtime ?? system];
    const identity = await Identity.open(store);
    const node = new LightNode(identity, { ...options, store, runtime }, await runtime.ephemeral());
    await node.#home.start(options.ticket ?? null);
    return node;
  }

  /** This node's NodeId. */
  get id() {
    return this.#identity.text;
  }

  /** @returns {Status} */
  get status() {
    return this.#home.status;
  }

  /** The last measured round trip to the home node in milliseconds; null before the first. */
  get roundTrip() {
    return this.#home.link?.roundTrip ?? null;
  }

  /** What is under way, for whoever wants to see how it is sealed: how often keys were replaced, and round trips in milliseconds. */
  connections() {
    const { link } = this.#home;
    return { link: link === null ? null : { home: nodeText(link.remote.node), epoch: link.epoch, roundTrip: link.roundTrip }, sessions: this.#sessions.list() };
  }

  /** Settles once the node is online; throws where it takes a ticket, or the signal is aborted. @param {AbortSignal} [signal] */
  async whenOnline(signal) {
    while (this.status.state !== "online") {
      const { state, error } = this.status;
      if (state === "ticket-needed" || state === "closed" || signal?.aborted) {
        throw new DawnError(signal?.aborted ? "cancelled" : error?.code ?? "closed", error?.message ?? "The node is closed.", { outcome: "not-executed" });
      }
      await new Promise(resolve => {
        const done = () => {
          this.removeEventListener("status", done);
          signal?.removeEventListener("abort", done);
          resolve(undefined);
        };
        this.addEventListener("status", done);
        signal?.addEventListener("abort", done);
      });
    }
  }

  /** Every agent that nodes say they host, the home node's first. @returns {AgentEntry[]} */
  agents() {
    const { home } = this.status;
    return this.#records().flatMap(record => record.agents.map(agent => ({
      address: `${record.text}:${agent.id}`, node: record.text, agent: agent.id, title: agent.title, tools: [...agent.tools],
      online: this.#isOnline(record.text), isHome: record.text === home,
    })));
  }

  /** Every node that is known. @returns {NodeEntry[]} */
  nodes() {
    const { home } = this.status;
    return this.#records().map(record => ({
      node: record.text, role: record.role, online: this.#isOnline(record.text), isHome: record.text === home, isSelf: record.text === this.id,
      encryption: record.encryption, addresses: [...record.addresses], agents: record.agents.length,
    }));
  }

  /**
   * Connects to an agent: `node:agent`, with the NodeId or a unique prefix of it, or `agent` alone where only one node has it.
   * @param {string} address @param {import("./mcp.js").McpOptions} [options]
   * @returns {Promise<McpClient>}
   */
  async connect(address, options = {}) {
    await this.whenOnline(options.signal);
    const { target, agent } = this.resolve(address);
    const session = await abortable(this.#sessions.get(target), options.signal);
    return McpClient.connect(session.openChannel(agent, agent === "node" ? ownerId : callerId), { runtime: this.#runtime, ...options });
  }

  /** What a neighbour says of who is there: it has seen what was told before this page came. @param {readonly { node: string, state: string }[]} peers */
  hearOf(peers) {
    for (const { node, state } of peers) {
      if (state === "dead") {
        this.#registry?.isGone(node);
      } else if (state === "connected" || state === "known") {
        this.#registry?.isAlive(node);
      }
    }
  }

  /** What an address means now. @param {string} address @throws {DawnError} */
  resolve(address) {
    const at = address.lastIndexOf(":");
    const [node, agent] = at < 0 ? ["", address] : [address.slice(0, at).toLowerCase(), address.slice(at + 1)];
    if (!isAgentId(agent)) {
      throw new DawnError("bad-address", `'${address}' is no address: node_id:agent_id.`, { outcome: "not-executed" });
    }
    const whole = nodeFromText(node);
    if (whole !== null) {
      return { target: whole, agent };
    }
    const { home } = this.status;
    const candidates = at >= 0
      ? this.#records().filter(record => node.length >= 6 && record.text.startsWith(node))
      : this.#records().filter(record => (agent === "node" && record.text === home) || record.agents.some(a => a.id === agent));
    const local = at < 0 ? candidates.find(record => record.text === home) : undefined;
    if (local === undefined && candidates.length !== 1) {
      throw candidates.length === 0
        ? new DawnError("unknown-agent", at < 0 ? `No node of the network has an agent '${agent}'.` : `No node is known whose id begins with '${node}'.`, { outcome: "not-executed" })
        : new DawnError("ambiguous-agent", `'${address}' may be ${candidates.map(record => `${record.text}:${agent}`).join(", ")}.`, { outcome: "not-executed" });
    }
    return { target: (local ?? candidates[0]).node, agent };
  }

  /** Redeems a (new) ticket. @param {string} ticket @throws {DawnError} */
  redeem(ticket) {
    return this.#home.redeem(ticket);
  }

  /** Tries to connect now, without waiting for the next attempt. */
  retry() {
    this.#home.retry();
  }

  /** Where another page of this browser has the turn: takes it. */
  takeOver() {
    return this.#home.takeOver();
  }

  /** Says goodbye to sessions and network, and ends. */
  async close() {
    this.#runtime.clearTimer(this.#publishing);
    this.#registry?.close();
    await this.#sessions.close();
    if (this.#sequence > 0) {
      this.#home.link?.send(frames.membership, await writeLeave(this.#identity, this.#sequence, this.#runtime.now()));
    }
    await this.#home.close();
  }

  #records() {
    const { home } = this.status;
    const all = this.#registry?.records ?? [];
    return [...all.filter(record => record.text === home), ...all.filter(record => record.text !== home)];
  }

  /** @param {string} node */
  #isOnline(node) {
    const { state, home } = this.status;
    // Without a link nobody is known to be there.
    return state === "online" && (node === this.id || node === home || (this.#registry?.isOnline(node) ?? false));
  }

  /** @param {import("./link.js").Link} link @param {Bytes} network */
  #onUp(link, network) {
    if (this.#registry === null || !this.#registry.isOf(network)) {
      this.#registry?.close();
      this.#registry = new Registry(network, this.#runtime);
      this.#registry.addEventListener("change", () => this.dispatchEvent(new Event("agents")));
    }
    this.#hasAsked = false;
    link.onFrame = (type, body) => this.#onFrame(link, type, body);
    void this.#publish(link).then(() => this.#sessions.onLink(), error => console.error(error));
  }

  /** @param {import("./link.js").Link} link @param {number} type @param {Bytes} body */
  async #onFrame(link, type, body) {
    switch (type) {
      case frames.envelope:
        if (!await this.#sessions.receive(body)) {
          void link.close("protocol", "a malformed envelope");
        }
        return;
      case frames.record:
        return this.#registry?.offer(body);
      case frames.membership:
        return this.#registry?.hear(body);
      case frames.registry: {
        const answer = this.#hasAsked ? null : askForAll(body);
        if (answer !== null) {
          this.#hasAsked = link.send(frames.registry, answer);
        }
      }
    }
  }

  // Without a record that names the home node as its relay, only the home node could answer.
  /** @param {import("./link.js").Link} link */
  async #publish(link) {
    this.#runtime.clearTimer(this.#publishing);
    const credentials = this.#home.credentials;
    const certificateEnds = this.status.certificateEnds;
    if (credentials === null || certificateEnds === null) {
      return;
    }
    const now = this.#runtime.now();
    this.#sequence = Math.max((await this.#store.get("sequence") ?? 0) + 1, now);
    await this.#store.set("sequence", this.#sequence);
    const notAfter = Math.min(now + recordLifetime, certificateEnds);
    const record = await writeRecord(this.#identity, { sequence: this.#sequence, issued: now, notAfter, certificate: credentials.certificate, relays: [link.remote.node] });
    if (link.send(frames.record, record)) {
      await this.#registry?.offer(record);
    }
    this.#publishing = this.#runtime.setTimer(() => void (this.#home.link === link && this.#publish(link).catch(error => console.error(error))), Math.max(1_000, (notAfter - now) / 2));
  }
}

/** @param {string} url */
function linkUrl(url) {
  const link = new URL(url);
  link.protocol = link.protocol.replace(/^http/, "ws");
  link.pathname = "/link";
  [link.search, link.hash] = ["", ""];
  return link.href;
}

/** @template T @param {Promise<T>} promise @param {AbortSignal} [signal] @returns {Promise<T>} */
async function abortable(promise, signal) {
  let cancel = () => {};
  try {
    return await Promise.race([promise, new Promise((_, reject) => {
      cancel = () => reject(new DawnError("cancelled", "Cancelled.", { outcome: "not-executed" }));
      signal?.aborted ? cancel() : signal?.addEventListener("abort", cancel);
    })]);
  } finally {
    signal?.removeEventListener("abort", cancel);
  }
}

