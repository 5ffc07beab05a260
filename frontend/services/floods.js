// Asking everybody for a way to a node, and being asked (docs/protocol.md, "Floods").
import { Reader, Writer, concat, equal, toHex } from "./bytes.js";
import { kinds } from "./envelope.js";
import { nodeText, signatureSize, verify } from "./identity.js";
import { sha256 } from "./primitives.js";

/** @typedef {import("./bytes.js").Bytes} Bytes */
/** @typedef {import("./envelope.js").Envelope} Envelope */

const lifetime = 30_000;
const skew = 120_000;
// Each question costs every node of the network a signature.
const everyForNode = 2_000;
const every = 1_000;
const burst = 8;
const maxRemembered = 256;
// Of others; what is beyond is not looked at.
const otherEvery = 50;
const otherBurst = 100;
const questionSize = 24;

/** @param {number} kind @param {Bytes} source @param {Bytes} target @param {Bytes} body */
const signedContent = (kind, source, target, body) => concat(Uint8Array.of(kind), source, target, body);

export class Floods {
  #identity;
  #runtime;
  #send;
  #due = 0;
  #otherDue = 0;
  /** Own questions, by their ids. @type {Map<string, Bytes>} */
  #asked = new Map();
  /** @type {Map<string, number>} */
  #askedAt = new Map();
  /** Questions of others that were answered. @type {Set<string>} */
  #answered = new Set();

  /** @param {import("./identity.js").Identity} identity @param {import("./runtime.js").Runtime} runtime @param {(kind: number, target: Bytes, payload: Bytes) => void} send */
  constructor(identity, runtime, send) {
    this.#identity = identity;
    this.#runtime = runtime;
    this.#send = send;
  }

  /** Asks for a way to a node, not more often than it may. @param {Bytes} target */
  async seek(target) {
    const now = this.#runtime.ticks();
    const name = nodeText(target);
    if (now - (this.#askedAt.get(name) ?? -Infinity) < everyForNode || this.#due - now > burst * every) {
      return;
    }
    this.#due = Math.max(this.#due, now) + every;
    remember(this.#askedAt, name, now);
    const body = new Writer().u64(this.#runtime.now() + lifetime).bytes(this.#runtime.random(16)).end();
    const signed = signedContent(kinds.seek, this.#identity.id, target, body);
    remember(this.#asked, toHex(await sha256(signed)), target.slice());
    this.#send(kinds.seek, target, concat(body, await this.#identity.sign("flood", signed)));
  }

  /** Takes an answer; the node that was found, or null where it is none. @param {Envelope} envelope @returns {Promise<Bytes | null>} */
  async onFound({ source, target, payload }) {
    const id = payload.subarray(0, 32);
    const sought = this.#asked.get(toHex(id));
    if (payload.length !== 32 + signatureSize || sought === undefined || !equal(sought, source)
      || !await verify(source, "flood", signedContent(kinds.found, source, target, id), payload.slice(32))) {
      return null;
    }
    this.#asked.delete(toHex(id));
    return sought;
  }

  /** Somebody looks for this node. @param {Envelope} envelope */
  async onSeek({ source, target, payload }) {
    if (payload.length !== questionSize + signatureSize || equal(source, this.#identity.id)) {
      return;
    }
    const ticks = this.#runtime.ticks();
    if (this.#otherDue - ticks > otherBurst * otherEvery) {
      return;
    }
    this.#otherDue = Math.max(this.#otherDue, ticks) + otherEvery;
    const body = payload.slice(0, questionSize);
    const until = Number(new Reader(body).u64());
    const now = this.#runtime.now();
    const signed = signedContent(kinds.seek, source, target, body);
    const id = await sha256(signed);
    if (until + skew < now || until > now + lifetime + skew || this.#answered.has(toHex(id)) || !await verify(source, "flood", signed, payload.slice(questionSize))) {
      return;
    }
    if (this.#answered.size >= maxRemembered) {
      this.#answered.delete(/** @type {string} */ (this.#answered.values().next().value));
    }
    this.#answered.add(toHex(id));
    this.#send(kinds.found, source, concat(id, await this.#identity.sign("flood", signedContent(kinds.found, this.#identity.id, source, id))));
  }
}

/** @template T @param {Map<string, T>} map @param {string} key @param {T} value */
function remember(map, key, value) {
  map.delete(key);
  if (map.size >= maxRemembered) {
    map.delete(/** @type {string} */ (map.keys().next().value));
  }
  map.set(key, value);
}
