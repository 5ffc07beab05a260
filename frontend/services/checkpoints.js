// Signatures over what a session sent and got (docs/protocol.md, "Checkpoints").
import { Reader, Writer, concat, fromText } from "./bytes.js";
import { checkpointSize } from "./frames.js";
import { signatureSize, verify } from "./identity.js";
import { Aead, hkdf, sha256 } from "./primitives.js";

/** @typedef {import("./bytes.js").Bytes} Bytes */
/** Who signs what to whom. @typedef {{ sender: Bytes, recipient: Bytes, isInitiator: boolean, tag: Bytes }} Flow `isInitiator` where the sender began the session. */
/** @typedef {{ sequence: number, bytes: Bytes }} Leaf A sequenced frame as encoded. */

const saltSize = 16;
const block = 64;
const maxCount = 1_024;

/** More than anybody leaves unsigned who signs at all. */
const maxUncovered = 8_192;
const uncoveredTime = 5_000;
const uncoveredAtLast = 35_000;

/** The end of the year 9999. */
const lastTime = 253_402_300_799_999n;

/** @param {Bytes} secret @param {boolean} isInitiator of whose frames @returns {Promise<Bytes>} */
export const saltKey = (secret, isInitiator) => hkdf(new Uint8Array(0), secret, concat(fromText("dawn/1 salt"), Uint8Array.of(0, isInitiator ? 1 : 2)), 32);

/** One direction's salts, which only the two ends can compute. */
export class Salts {
  #key;
  #at = -1;
  /** @type {Promise<Bytes> | null} */
  #block = null;

  /** @param {Aead} key */
  constructor(key) {
    this.#key = key;
  }

  /** @param {Bytes} secret @param {boolean} isInitiator */
  static async of(secret, isInitiator) {
    return new Salts(await Aead.import(await saltKey(secret, isInitiator)));
  }

  /** @param {number} sequence */
  async at(sequence) {
    const at = Math.floor(sequence / block);
    if (at !== this.#at || this.#block === null) {
      this.#at = at;
      this.#block = this.#key.seal(at, new Uint8Array(0), new Uint8Array(block * saltSize));
    }
    const from = saltSize * (sequence % block);
    return (await this.#block).subarray(from, from + saltSize);
  }

  /** @param {Leaf} leaf */
  async leaf({ sequence, bytes }) {
    return sha256(Uint8Array.of(0), await this.at(sequence), bytes);
  }

  /** @param {Leaf[]} leaves */
  async root(leaves) {
    // In order, since neighbours share a block of salts.
    const hashes = [];
    for (const leaf of leaves) {
      hashes.push(this.leaf(leaf));
    }
    return sha256(Uint8Array.of(1), ...await Promise.all(hashes));
  }
}

/** What one checkpoint says, and the hash that the next one carries. @param {Flow} flow @param {Bytes} previous @param {Bytes} root @param {{ number: number, first: number, count: number, time: number | bigint }} body */
export const signedContent = ({ sender, recipient, isInitiator, tag }, previous, root, { number, first, count, time }) =>
  new Writer().u8(1).bytes(sender).bytes(recipient).u8(isInitiator ? 1 : 2).bytes(tag).u64(number).bytes(previous).u64(first).u16(count).bytes(root).u64(time).end();

export class CheckpointSigner {
  #identity;
  #flow;
  #salts;
  #every;
  /** @type {Leaf[]} */
  #leaves = [];
  #number = 0;
  /** @type {Bytes} */
  #previous = new Uint8Array(32);

  /** @param {import("./identity.js").Identity} identity @param {Flow} flow @param {Salts} salts @param {number} every leaves */
  constructor(identity, flow, salts, every = block) {
    this.#identity = identity;
    this.#flow = flow;
    this.#salts = salts;
    this.#every = every;
  }

  get hasLeaves() {
    return this.#leaves.length > 0;
  }

  /** True where a checkpoint is due by count. */
  get isFull() {
    return this.#leaves.length >= this.#every;
  }

  /** A frame that is sent for the first time. @param {number} sequence @param {Bytes} bytes */
  add(sequence, bytes) {
    this.#leaves.push({ sequence, bytes });
  }

  /** Signs what is without a checkpoint, as much as goes into one. @param {number} time @returns {Promise<Bytes>} */
  async sign(time) {
    const leaves = this.#leaves.splice(0, this.#every);
    const body = { number: this.#number++, first: leaves[0].sequence, count: leaves.length, time };
    const content = signedContent(this.#flow, this.#previous, await this.#salts.root(leaves), body);
    const signature = await this.#identity.sign("checkpoint", content);
    this.#previous = await sha256(content, signature);
    return new Writer().u64(body.number).u64(body.first).u16(body.count).u64(time).bytes(signature).end();
  }
}

export class CheckpointVerifier {
  #flow;
  #salts;
  /** @type {Leaf[]} */
  #leaves = [];
  #uncoveredAt = Infinity;
  #coverFrom = Infinity;
  #number = 0;
  #time = 0n;
  /** @type {Bytes} */
  #previous = new Uint8Array(32);

  /** @param {Flow} flow @param {Salts} salts */
  constructor(flow, salts) {
    this.#flow = flow;
    this.#salts = salts;
  }

  /** A frame that was taken, in its order. @param {number} sequence @param {Bytes} bytes @param {number} now */
  add(sequence, bytes, now) {
    if (this.#leaves.length === 0) {
      this.#uncoveredAt = this.#coverFrom = now;
    }
    this.#leaves.push({ sequence, bytes });
  }

  /** Something came after a silence: a path that was down must not cost the session. @param {number} now */
  onPathBack(now) {
    this.#coverFrom = now;
  }

  /** True where frames have been without a checkpoint for too long, or too many. @param {number} now @param {boolean} isSilent */
  isOverdue(now, isSilent) {
    return this.#leaves.length > maxUncovered
      || (this.#leaves.length > 0 && ((!isSilent && now - this.#coverFrom >= uncoveredTime) || now - this.#uncoveredAt >= uncoveredAtLast));
  }

  /** Takes a checkpoint's body. @param {Bytes} encoded @param {number} now @returns {Promise<string | null>} null, or what is wrong with it */
  async take(encoded, now) {
    const reader = new Reader(encoded);
    const [number, first, count, time, signature] = [Number(reader.u64()), Number(reader.u64()), reader.u16(), reader.u64(), reader.bytes(signatureSize)];
    if (!reader.complete || encoded.length !== checkpointSize) {
      return "a checkpoint of another form";
    }
    if (number !== this.#number || count === 0 || count > Math.min(maxCount, this.#leaves.length) || first !== this.#leaves[0].sequence || time < this.#time || time > lastTime) {
      return "a checkpoint that does not follow";
    }
    const leaves = this.#leaves.splice(0, count);
    this.#uncoveredAt = this.#coverFrom = now;
    [this.#number, this.#time] = [number + 1, time];
    const content = signedContent(this.#flow, this.#previous, await this.#salts.root(leaves), { number, first, count, time });
    if (!await verify(this.#flow.sender, "checkpoint", content, signature)) {
      return "a checkpoint whose signature does not hold";
    }
    this.#previous = await sha256(content, signature);
    return null;
  }
}

