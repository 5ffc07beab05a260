// The keys of a session: what is sealed and opened under which, and how they are replaced (docs/protocol.md, "Segment" and "Rekeying a session").
import { Writer, concat, equal } from "./bytes.js";
import { DawnError } from "./errors.js";
import * as frames from "./frames.js";
import { NoiseError } from "./noise.js";
import { Aead } from "./primitives.js";
import { ProvenHandshake, maxMessage } from "./proof.js";
import { ReplayWindow } from "./replayWindow.js";

/** @typedef {import("./bytes.js").Bytes} Bytes */

const oldKeyKept = 30_000;
const rekeyPause = 1_000;
const rekeyTime = 60_000;
const headerSize = 12;

/** @typedef {{ number: number, send: Aead, receive: Aead, taken: ReplayWindow, nonce: number }} Epoch */

/** @param {number} number @param {{ send: Bytes, receive: Bytes }} keys @returns {Promise<Epoch>} */
async function epoch(number, { send, receive }) {
  const made = { number, send: await Aead.import(send), receive: await Aead.import(receive), taken: new ReplayWindow(), nonce: 0 };
  send.fill(0);
  receive.fill(0);
  return made;
}

/** What to send, or with which code the session ends and why. @typedef {{ answer: Bytes, remote: import("./proof.js").Remote } | { code: number, problem: string }} RekeyStep */

export class Epochs {
  #current;
  /** @type {Epoch | null} */
  #next = null;
  /** @type {{ epoch: Epoch, until: number } | null} */
  #old = null;
  #hash;
  #since;
  /** @type {"none" | "begun" | "finishing"} */
  #state = "none";
  #stateSince = 0;
  #asked = false;
  /** @type {ProvenHandshake | null} */
  #handshake = null;
  #nextHash;
  #shown;
  #credentials;
  #prefix;

  /**
   * @param {import("./proof.js").Credentials} credentials @param {Epoch} first @param {Bytes} hash
   * @param {{ sending: Bytes, receiving: Bytes }} prefix of the associated data
   * @param {number} rekeyAfter milliseconds
   */
  constructor(credentials, first, hash, prefix, rekeyAfter) {
    this.#credentials = credentials;
    this.#current = first;
    this.#hash = this.#nextHash = hash;
    this.#prefix = prefix;
    this.rekeyAfter = rekeyAfter;
    this.#since = credentials.runtime.ticks();
    this.#shown = credentials.certificate;
  }

  /**
   * @param {import("./proof.js").Credentials} credentials @param {import("./noise.js").Split} split
   * @param {Bytes} remote @param {Bytes} tag @param {number} rekeyAfter
   */
  static async begin(credentials, split, remote, tag, rekeyAfter) {
    const self = credentials.identity.id;
    const kind = Uint8Array.of(1, 2);
    return new Epochs(credentials, await epoch(0, split), split.hash, { sending: concat(kind, self, remote, tag), receiving: concat(kind, remote, self, tag) }, rekeyAfter);
  }

  get number() {
    return this.#current.number;
  }

  /** A segment's payload. Each nonce is used once, so none is given back. @param {Bytes} plaintext */
  async seal(plaintext) {
    const current = this.#current;
    const nonce = current.nonce++;
    const header = new Writer().u16(current.number).u8(0).u8(0).u64(nonce).end();
    return concat(header, await current.send.seal(nonce, concat(this.#prefix.sending, header), plaintext));
  }

  /** The plaintext of a segment; null for what doesn't authenticate or came before. One at a time. @param {Bytes} segment */
  async open(segment) {
    if (segment.length < headerSize + 16 || segment[2] !== 0) {
      return null;
    }
    const view = new DataView(segment.buffer, segment.byteOffset, headerSize);
    const nonce = Number(view.getBigUint64(4));
    const keys = this.#of(view.getUint16(0));
    if (keys === null || nonce > Number.MAX_SAFE_INTEGER || !keys.taken.isFresh(nonce)) {
      return null;
    }
    const plaintext = await keys.receive.open(nonce, concat(this.#prefix.receiving, segment.subarray(0, headerSize)), segment.subarray(headerSize));
    if (plaintext === null || !keys.taken.isFresh(nonce)) {
      return null;
    }
    keys.taken.take(nonce);
    const now = this.#credentials.runtime.ticks();
    if (keys === this.#next) {
      this.#old = { epoch: this.#current, until: now + oldKeyKept };
      this.#current = keys;
      [this.#next, this.#hash, this.#since, this.#state] = [null, this.#nextHash, now, "none"];
      this.#shown = this.#credentials.certificate;
      return { plaintext, switched: true };
    }
    return { plaintext, switched: false };
  }

  /** True where this end is to begin a rekeying now. */
  isDue() {
    const age = this.#credentials.runtime.ticks() - this.#since;
    return this.#state === "none" && age >= rekeyPause && (this.#asked || age >= this.rekeyAfter || !equal(this.#shown, this.#credentials.certificate));
  }

  /** When the next rekeying is due by time. */
  get dueAt() {
    return this.#state === "none" ? this.#since + this.rekeyAfter : Infinity;
  }

  get isStuck() {
    return this.#state !== "none" && this.#credentials.runtime.ticks() - this.#stateSince >= rekeyTime;
  }

  forgetOld() {
    if (this.#old !== null && this.#old.until <= this.#credentials.runtime.ticks()) {
      this.#old = null;
    }
  }

  /** Message 1, as a frame. @param {Bytes} remote */
  async beginRekey(remote) {
    [this.#state, this.#stateSince, this.#asked] = ["begun", this.#credentials.runtime.ticks(), false];
    this.#handshake = await ProvenHandshake.begin(this.#credentials, "session", this.#hash, remote);
    return frames.rekey(1, await this.#handshake.first());
  }

  /**
   * Takes a rekey frame's body.
   * @param {Bytes} body @returns {Promise<RekeyStep | null>} null where nothing is to be done
   */
  async take(body) {
    const [number, message] = [body[0], body.subarray(1)];
    if (number === 0 && message.length === 0) {
      // While one is under way it is what was asked for.
      this.#asked ||= this.#state === "none";
      return null;
    }
    if (number !== 2 || this.#state !== "begun" || this.#handshake === null || message.length > maxMessage) {
      return { code: 4, problem: "a rekey message out of turn" };
    }
    try {
      const handshake = this.#handshake;
      await handshake.second(message);
      const answer = frames.rekey(3, await handshake.third());
      const split = await handshake.split();
      split.secret.fill(0);
      [this.#next, this.#nextHash, this.#handshake, this.#state] = [await epoch((this.#current.number + 1) & 0xffff, split), split.hash, null, "finishing"];
      return { answer, remote: /** @type {import("./proof.js").Remote} */ (handshake.remote) };
    } catch (error) {
      if (error instanceof NoiseError || error instanceof DawnError) {
        return { code: error instanceof DawnError && error.code === "wrong-network" ? 2 : 4, problem: `a rekeying that does not hold: ${error.message}` };
      }
      throw error;
    }
  }

  /** @param {number} number */
  #of(number) {
    return number === this.#current.number ? this.#current : number === this.#next?.number ? this.#next : number === this.#old?.epoch.number ? this.#old.epoch : null;
  }
}
