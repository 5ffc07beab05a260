// Who is in the network and hosts what, as far as signed records tell, and who of them is gone (docs/protocol.md, "Registry" and "Membership").
import { Reader, Writer, compare, equal } from "./bytes.js";
import { nodeIdSize, nodeText, signatureSize, verify } from "./identity.js";
import { peekRecord, readRecord } from "./records.js";

/** @typedef {import("./bytes.js").Bytes} Bytes */
/** @typedef {import("./records.js").NodeRecord} NodeRecord */

// A page shows a few thousand nodes at best; a member who certifies more fills its own network, not our memory.
const maxNodes = 16_384;
const sweepEvery = 30_000;
const maxAhead = 600_000;
const tellAfter = 50;

const membershipVersion = 1;
const suspicion = 12;
const leave = 13;

/** Registry frames (docs/protocol.md, "Registry"). */
const registryVersion = 1;
const summary = 1;

export class Registry extends EventTarget {
  #network;
  #runtime;
  /** @type {Map<string, NodeRecord>} */
  #records = new Map();
  /** Nodes that left, or that are taken for dead, and the sequence of the record that this is about. @type {Map<string, bigint>} */
  #gone = new Map();
  /** @type {Map<string, unknown>} */
  #suspected = new Map();
  /** @type {unknown} */
  #timer;
  /** @type {unknown} */
  #telling = null;

  /** @param {Bytes} network its public key @param {import("./runtime.js").Runtime} runtime */
  constructor(network, runtime) {
    super();
    this.#network = network;
    this.#runtime = runtime;
    this.#timer = runtime.setTimer(() => this.#sweep(), sweepEvery);
  }

  /** @param {Bytes} network */
  isOf(network) {
    return equal(network, this.#network);
  }

  /** @returns {NodeRecord[]} in the order of their NodeIds */
  get records() {
    return [...this.#records.values()].sort((a, b) => compare(a.node, b.node));
  }

  /** @param {string} node */
  find(node) {
    return this.#records.get(node);
  }

  /** @param {string} node */
  isOnline(node) {
    const [record, gone] = [this.#records.get(node), this.#gone.get(node)];
    return record !== undefined && (gone === undefined || gone < record.sequence);
  }

  /** Takes a record that came. @param {Bytes} encoded */
  async offer(encoded) {
    const claim = peekRecord(encoded);
    const known = claim === null ? undefined : this.#records.get(claim.text);
    if (claim === null || (known !== undefined && known.sequence > claim.sequence) || (known === undefined && this.#records.size >= maxNodes)) {
      return;
    }
    const record = await readRecord(encoded.slice(), this.#network, this.#runtime.now());
    const now = record === null ? undefined : this.#records.get(record.text);
    // Of two with one sequence the one whose hash is higher holds, everywhere.
    if (record !== null && (now === undefined || now.sequence < record.sequence || (now.sequence === record.sequence && compare(now.hash, record.hash) < 0))) {
      this.#records.set(record.text, record);
      this.#forgive(record.text, record.sequence);
      this.#changed();
    }
  }

  /** Takes a membership message; what is neither a suspicion nor a farewell is not for a light node. @param {Bytes} body */
  async hear(body) {
    const reader = new Reader(body);
    const [version, type] = [reader.u8(), reader.u8()];
    if (version !== membershipVersion || (type !== suspicion && type !== leave)) {
      return;
    }
    const [node, sequence] = [reader.bytes(nodeIdSize), reader.u64()];
    const signer = type === suspicion ? reader.bytes(nodeIdSize) : node;
    const time = Number(reader.u64());
    const signature = reader.bytes(signatureSize);
    const record = this.#records.get(nodeText(node));
    if (!reader.complete || record === undefined || time > this.#runtime.now() + maxAhead || (type === suspicion ? record.sequence !== sequence || !this.#records.has(nodeText(signer)) : sequence < record.sequence)) {
      return;
    }
    if (!await verify(signer, type === suspicion ? "suspicion" : "leave", body.slice(2, body.length - signatureSize), signature)) {
      return;
    }
    if (type === leave) {
      this.#bury(record.text, sequence);
    } else if (!this.#suspected.has(record.text) && this.isOnline(record.text)) {
      // The suspect may refute it, by a record of a higher sequence.
      const patience = 1_000 * Math.min(8, Math.max(1, 4 * Math.log10(this.#records.size + 1)));
      this.#suspected.set(record.text, this.#runtime.setTimer(() => this.#bury(record.text, sequence), patience));
    }
  }

  /** The node is there: there is a link or a session with it. @param {string} node */
  isAlive(node) {
    const record = this.#records.get(node);
    if (record !== undefined && (this.#gone.has(node) || this.#suspected.has(node))) {
      this.#forgive(node, null);
      this.#changed();
    }
  }

  /** The node is gone, as far as whoever tells it knows; a newer record of it says that it is back. @param {string} node */
  isGone(node) {
    const record = this.#records.get(node);
    if (record !== undefined && this.isOnline(node)) {
      this.#bury(node, record.sequence);
    }
  }

  close() {
    this.#runtime.clearTimer(this.#timer);
    this.#runtime.clearTimer(this.#telling);
    this.#suspected.forEach(timer => this.#runtime.clearTimer(timer));
    this.#suspected.clear();
  }

  /** @param {string} node @param {bigint} sequence */
  #bury(node, sequence) {
    this.#runtime.clearTimer(this.#suspected.get(node));
    this.#suspected.delete(node);
    const record = this.#records.get(node);
    if (record !== undefined && record.sequence <= sequence) {
      this.#gone.set(node, sequence);
      this.#changed();
    }
  }

  /** @param {string} node @param {bigint | null} sequence of a newer record; null where it was heard itself */
  #forgive(node, sequence) {
    this.#runtime.clearTimer(this.#suspected.get(node));
    this.#suspected.delete(node);
    if (sequence === null || (this.#gone.get(node) ?? 0n) < sequence) {
      this.#gone.delete(node);
    }
  }

  #sweep() {
    const now = this.#runtime.now();
    const expired = [...this.#records.values()].filter(record => record.notAfter <= now);
    for (const { text } of expired) {
      this.#records.delete(text);
      this.#forgive(text, null);
    }
    if (expired.length > 0) {
      this.#changed();
    }
    this.#timer = this.#runtime.setTimer(() => this.#sweep(), sweepEvery);
  }

  // A thousand records that come at once are one change to whoever draws them.
  #changed() {
    this.#telling ??= this.#runtime.setTimer(() => {
      this.#telling = null;
      this.dispatchEvent(new Event("change"));
    }, tellAfter);
  }
}

/**
 * The answer to a neighbour's summary that makes it send all its records, once: one of the other form, with which it can compare nothing.
 * Null where the frame is none.
 * @param {Bytes} body
 */
export function askForAll(body) {
  const reader = new Reader(body);
  const [version, kind, form] = [reader.u8(), reader.u8(), reader.u8()];
  return !reader.failed && version === registryVersion && kind === summary
    ? new Writer().u8(registryVersion).u8(summary).u8(form === 0 ? 1 : 0).bytes(new Uint8Array(32)).end()
    : null;
}

/** A farewell. @param {import("./identity.js").Identity} identity @param {number} sequence of its record @param {number} now */
export async function writeLeave(identity, sequence, now) {
  const content = new Writer().bytes(identity.id).u64(sequence).u64(now).end();
  return new Writer().u8(membershipVersion).u8(leave).bytes(content).bytes(await identity.sign("leave", content)).end();
}
