// What one end of a link has to say: frames that wait, sealed into records together as far as they fit (docs/protocol.md, "Records").
import { Writer, concat, empty } from "./bytes.js";
import { Aead } from "./primitives.js";
import { delay } from "./runtime.js";

/** @typedef {import("./bytes.js").Bytes} Bytes */

export const maxQueue = 1024 * 1024;
// Beyond the queue, for what keeps the link itself going.
export const reserve = 8 * 1024;

const maxPlaintext = 65_519;
// What a socket may hold for us; the rest stays where sessions see that it is full.
const maxUnsent = 512 * 1024;

/** One direction's key in one epoch. */
export class Direction {
  #aead;
  #nonce = 0;

  /** @param {Aead} aead */
  constructor(aead) {
    this.#aead = aead;
  }

  /** @param {Bytes} raw */
  static async of(raw) {
    const aead = await Aead.import(raw);
    raw.fill(0);
    return new Direction(aead);
  }

  /** @param {Bytes} plaintext */
  seal(plaintext) {
    return this.#aead.seal(this.#nonce++, empty, plaintext);
  }

  /** @param {Bytes} sealed */
  open(sealed) {
    return this.#aead.open(this.#nonce++, empty, sealed);
  }
}

/** @param {number} type @param {...Bytes} parts */
export const encodeFrame = (type, ...parts) => concat(new Writer().u8(type).u16(parts.reduce((sum, part) => sum + part.length, 0)).end(), ...parts);

export class Outbox {
  #stream;
  #direction;
  #runtime;
  #onBroken;
  /** @type {{ bytes: Bytes, isLast: boolean, next?: Direction }[]} */
  #queue = [];
  #queued = 0;
  #pumping = false;
  #closed = false;
  #wroteAt = 0;
  /** @type {(() => void)[]} */
  #waiting = [];

  /** @param {import("./stream.js").ByteStream} stream @param {Direction} direction @param {import("./runtime.js").Runtime} runtime @param {(error: unknown) => void} onBroken */
  constructor(stream, direction, runtime, onBroken) {
    this.#stream = stream;
    this.#direction = direction;
    this.#runtime = runtime;
    this.#onBroken = onBroken;
  }

  /** For how long the other end has taken nothing of what waits. */
  get stuckFor() {
    return this.#queue.length === 0 ? 0 : this.#runtime.ticks() - this.#wroteAt;
  }

  /** @param {Bytes} bytes whole frames @param {number} limit of what may wait @param {{ isLast?: boolean, next?: Direction }} [more] the last of this direction; the key of the next record */
  add(bytes, limit, { isLast = false, next } = {}) {
    if (this.#closed || this.#queued + bytes.length > limit) {
      return false;
    }
    if (this.#queue.length === 0) {
      this.#wroteAt = this.#runtime.ticks();
    }
    this.#closed = isLast;
    this.#queue.push({ bytes, isLast, next });
    this.#queued += bytes.length;
    if (!this.#pumping) {
      this.#pumping = true;
      // What else is queued in this turn leaves in the same record.
      queueMicrotask(() => void this.#pump());
    }
    return true;
  }

  /** Waits until there is room, or nothing more is sent. @returns {Promise<void>} */
  room() {
    return this.#queued < maxQueue / 2 || this.#closed ? Promise.resolve() : new Promise(resolve => this.#waiting.push(() => resolve(undefined)));
  }

  abort() {
    this.#closed = true;
    this.#queue = [];
    this.#queued = 0;
    this.#wake();
  }

  async #pump() {
    try {
      while (this.#queue.length > 0) {
        if (this.#stream.unsent > maxUnsent) {
          // A WebSocket tells nobody when it has room again.
          await delay(this.#runtime, 10);
          continue;
        }
        const batch = this.#take();
        const sealed = await this.#direction.seal(concat(...batch.map(entry => entry.bytes)));
        this.#stream.write(concat(new Writer().u16(sealed.length).end(), sealed));
        this.#direction = batch[batch.length - 1].next ?? this.#direction;
        this.#wroteAt = this.#runtime.ticks();
        if (this.#queued < maxQueue / 2) {
          this.#wake();
        }
      }
    } catch (error) {
      this.#onBroken(error);
    } finally {
      this.#pumping = false;
    }
  }

  #take() {
    const batch = [];
    let size = 0;
    while (this.#queue.length > 0 && size + this.#queue[0].bytes.length <= maxPlaintext) {
      const entry = this.#queue[0];
      this.#queue.shift();
      batch.push(entry);
      size += entry.bytes.length;
      if (entry.isLast || entry.next !== undefined) {
        break;
      }
    }
    this.#queued -= size;
    return batch;
  }

  #wake() {
    this.#waiting.splice(0).forEach(wake => wake());
  }
}
