// What tests stand on: the worked example of docs/protocol-example.md, a clock that goes when told, keys that were given.
import { readFileSync } from "node:fs";
import { fromHex } from "../services/bytes.js";
import { Identity } from "../services/identity.js";
import { importEd25519, importX25519, rawKey } from "../services/primitives.js";

/** @typedef {import("../services/bytes.js").Bytes} Bytes */

/** Every `name: value` of the page, in its order. @type {readonly { name: string, value: string }[]} */
export const lines = (() => {
  const page = readFileSync(new URL("../../docs/protocol-example.md", import.meta.url), "utf8");
  return [...page.matchAll(/^```text\n([\s\S]*?)^```$/gm)].flatMap(block => block[1].trimEnd().split("\n")).map(line => {
    const at = line.indexOf(": ");
    return { name: line.slice(0, at), value: line.slice(at + 2) };
  });
})();

const byName = new Map(lines.map(line => [line.name, line.value]));

/** @param {string} name */
export function text(name) {
  const value = byName.get(name);
  if (value === undefined) {
    throw new Error(`The example has no line '${name}'.`);
  }
  return value;
}

/** @param {string} name @returns {Bytes} */
export const hex = name => text(name) === "(empty)" ? new Uint8Array(0) : fromHex(text(name));

/** The example's clock: 2030-01-01T00:00:00Z. */
export const epoch = Date.UTC(2030, 0, 1);

/** A key pair of a private key that is given. WebCrypto derives no public keys, so it is found by multiplying the base point. @param {Bytes} seed @returns {Promise<CryptoKeyPair>} */
export async function x25519(seed) {
  const privateKey = await importX25519(seed);
  const base = new Uint8Array(32);
  base[0] = 9;
  const basePoint = await crypto.subtle.importKey("raw", base, { name: "X25519" }, true, []);
  const raw = new Uint8Array(await crypto.subtle.deriveBits({ name: "X25519", public: basePoint }, privateKey, 256));
  return { privateKey, publicKey: await crypto.subtle.importKey("raw", raw, { name: "X25519" }, true, []) };
}

/** @param {Bytes} seed @param {Bytes} id */
export const identity = async (seed, id) => new Identity(id, await importEd25519(seed));

/** One that nobody has seen before. */
export async function anyIdentity() {
  const pair = /** @type {CryptoKeyPair} */ (await crypto.subtle.generateKey({ name: "Ed25519" }, false, ["sign", "verify"]));
  return new Identity(await rawKey(pair.publicKey), pair.privateKey);
}

// Cryptography runs on threads of its own; how much of it is under way is counted, so that tests wait for nothing else.
let pending = 0;
/** @type {any} */
const subtle = Object.getPrototypeOf(crypto.subtle);
for (const name of ["digest", "sign", "verify", "encrypt", "decrypt", "deriveBits", "importKey", "exportKey", "generateKey"]) {
  const original = subtle[name];
  /** @param {...unknown} args @this {SubtleCrypto} */
  subtle[name] = function (...args) {
    pending++;
    return original.apply(this, args).finally(() => pending--);
  };
}

/** Lets everything run that waits for nothing but cryptography. */
export async function settle() {
  for (let quiet = 0; quiet < 3; quiet = pending === 0 ? quiet + 1 : 0) {
    await new Promise(resolve => setImmediate(resolve));
  }
}

/** Time that goes when told, and randomness that was given. */
export class ManualRuntime {
  #time;
  #started;
  /** @type {Set<{ at: number, action: () => void }>} */
  #timers = new Set();
  /** @type {Bytes[]} */
  ephemerals = [];
  /** @type {Bytes[]} */
  randoms = [];
  hidden = false;

  /** @param {number} [start] */
  constructor(start = epoch) {
    this.#time = this.#started = start;
  }

  now = () => this.#time;
  ticks = () => this.#time - this.#started;
  isThrottled = () => this.hidden;

  /** @param {() => void} action @param {number} ms */
  setTimer = (action, ms) => {
    const timer = { at: this.#time + Math.ceil(ms), action };
    this.#timers.add(timer);
    return timer;
  };

  /** @param {any} timer */
  clearTimer = timer => {
    this.#timers.delete(timer);
  };

  /** @param {number} count @returns {Bytes} */
  random = count => this.randoms.shift() ?? crypto.getRandomValues(new Uint8Array(count));

  ephemeral = async () => {
    const seed = this.ephemerals.shift();
    return seed === undefined ? /** @type {CryptoKeyPair} */ (await crypto.subtle.generateKey({ name: "X25519" }, false, ["deriveBits"])) : x25519(seed);
  };

  get timers() {
    return this.#timers.size;
  }

  /** Goes on, and runs what is due in its order. @param {number} ms */
  async advance(ms) {
    const until = this.#time + ms;
    await settle();
    for (;;) {
      const due = [...this.#timers].filter(timer => timer.at <= until).sort((a, b) => a.at - b.at)[0];
      if (due === undefined) {
        break;
      }
      this.#timers.delete(due);
      this.#time = Math.max(this.#time, due.at);
      due.action();
      await settle();
    }
    this.#time = until;
  }
}

/** Numbers that look random and are the same for the same seed (mulberry32). @param {number} seed */
export function random(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** A WebSocket whose other end is the test. */
export class FakeSocket {
  /** The ones made last, newest first. @type {FakeSocket[]} */
  static made = [];
  /** @type {Bytes[]} */
  sent = [];
  readyState = 0;
  bufferedAmount = 0;
  binaryType = "blob";
  /** @type {(() => void) | null} */
  onopen = null;
  /** @type {((event: { data: unknown }) => void) | null} */
  onmessage = null;
  /** @type {(() => void) | null} */
  onclose = null;
  /** @type {(() => void) | null} */
  onerror = null;

  /** @param {string} url */
  constructor(url) {
    this.url = url;
    FakeSocket.made.unshift(this);
    queueMicrotask(() => {
      if (this.readyState === 0) {
        this.readyState = 1;
        this.onopen?.();
      }
    });
  }

  /** @param {Bytes} bytes */
  send(bytes) {
    this.sent.push(bytes.slice());
  }

  close() {
    this.readyState = 3;
    this.onclose?.();
  }

  /** What the other end sends. @param {...Bytes} parts */
  receive(...parts) {
    for (const part of parts) {
      this.onmessage?.({ data: part.slice().buffer });
    }
  }

  /** Everything sent so far, as one stream. */
  get stream() {
    return this.sent.map(part => Array.from(part, byte => byte.toString(16).padStart(2, "0")).join("")).join("");
  }
}

/** @type {import("../services/stream.js").SocketConstructor} */
export const Socket = /** @type {any} */ (FakeSocket);

/** What a node of the example has. @param {string} node @param {ManualRuntime} runtime @returns {Promise<import("../services/proof.js").Credentials>} */
export async function credentialsOf(node, runtime) {
  return {
    identity: await identity(hex(`${node} identity seed`), hex(`${node} NodeId`)),
    staticKey: await x25519(hex(`${node} static private key`)),
    psk: hex("PSK"),
    network: hex("network public key"),
    certificate: node === "C" ? new Uint8Array(0) : hex(`${node} certificate`),
    runtime,
  };
}
