// What a session has sent and the other end has not acknowledged: when it is sent again, and how much of it there may be.

/** @typedef {import("./bytes.js").Bytes} Bytes */
/** @typedef {{ sequence: number, bytes: Bytes, sentAt: number, isRepeated: boolean, isLost: boolean, onHeld?: () => void }} Sent */

const maxBytes = 4 * 1024 * 1024;
const maxFrames = 4_096;
const minFrames = 16;
// At one time-out; if those are lost as well the path is of no use, and more of it helps nobody.
const maxRepeated = 64;

/** The retransmission time-out of RFC 6298, in milliseconds. */
class RoundTrip {
  smoothed = 0;
  #variation = 0;
  #backoff = 0;

  get timeOut() {
    return Math.min(8_000, (this.smoothed === 0 ? 1_000 : Math.max(200, this.smoothed + 4 * this.#variation)) * 2 ** this.#backoff);
  }

  /** @param {number} ms never of something that was sent twice (Karn's algorithm) */
  add(ms) {
    if (this.smoothed === 0) {
      [this.smoothed, this.#variation] = [Math.max(ms, 0.001), ms / 2];
      return;
    }
    this.#variation += (Math.abs(this.smoothed - ms) - this.#variation) / 4;
    this.smoothed += (ms - this.smoothed) / 8;
  }

  backOff() {
    this.#backoff = Math.min(this.#backoff + 1, 6);
  }

  endBackOff() {
    this.#backoff = 0;
  }
}

export class Flight {
  /** In the order of sequences. @type {Map<number, Sent>} */
  #sent = new Map();
  #bytes = 0;
  #next = 0;
  #limit = maxFrames;
  roundTrip = new RoundTrip();
  /** When what is outstanding is sent again. */
  dueAt = Infinity;

  get isEmpty() {
    return this.#sent.size === 0;
  }

  get next() {
    return this.#next;
  }

  /** @param {number} bytes */
  hasRoomFor(bytes) {
    return this.#sent.size < this.#limit && this.#bytes + bytes <= maxBytes;
  }

  /** Takes a frame that leaves for the first time. @param {(sequence: number) => Bytes} encode @param {number} now @param {() => void} [onHeld] Called once the other end has it. */
  add(encode, now, onHeld) {
    const sequence = this.#next++;
    const bytes = encode(sequence);
    this.#sent.set(sequence, { sequence, bytes, sentAt: now, isRepeated: false, isLost: false, onHeld });
    this.#bytes += bytes.length;
    this.dueAt = Math.min(this.dueAt, now + this.roundTrip.timeOut);
    return { sequence, bytes };
  }

  /** What is to be sent again, in order. @returns {Iterable<Sent>} */
  *lost() {
    for (const sent of this.#sent.values()) {
      if (sent.isLost) {
        yield sent;
      }
    }
  }

  get hasLost() {
    return !this.lost()[Symbol.iterator]().next().done;
  }

  /** @param {Sent} sent @param {number} now */
  repeat(sent, now) {
    [sent.sentAt, sent.isRepeated, sent.isLost] = [now, true, false];
    this.dueAt = Math.min(this.dueAt, now + this.roundTrip.timeOut);
  }

  /**
   * Takes an ack.
   * @param {number} next @param {{ first: number, length: number }[]} ranges @param {number} now
   * @returns {number | null} how many frames it is news for; null where it names what was never sent
   */
  acknowledge(next, ranges, now) {
    const last = ranges.at(-1);
    if ((last === undefined ? next : last.first + last.length) > this.#next) {
      return null;
    }
    /** @type {Sent[]} */
    const taken = [];
    for (const [sequence, sent] of this.#sent) {
      if (sequence >= next) {
        break;
      }
      taken.push(sent);
    }
    for (const { first, length } of ranges) {
      // Along what is in flight, which is bounded; a range is as long as the other end says.
      for (const sent of this.#sent.values()) {
        if (sent.sequence >= first + length) {
          break;
        }
        if (sent.sequence >= first) {
          taken.push(sent);
        }
      }
    }
    let newest = -Infinity;
    for (const sent of taken) {
      this.#sent.delete(sent.sequence);
      this.#bytes -= sent.bytes.length;
      newest = Math.max(newest, sent.isRepeated ? -Infinity : sent.sentAt);
      sent.onHeld?.();
    }
    if (newest > -Infinity) {
      this.roundTrip.add(now - newest);
    }
    if (taken.length > 0) {
      this.roundTrip.endBackOff();
      this.dueAt = this.isEmpty ? Infinity : now + this.roundTrip.timeOut;
      this.#limit = Math.min(maxFrames, this.#limit + taken.length);
    }
    if (last !== undefined) {
      this.#lose(last.first, newest, now);
    }
    return taken.length;
  }

  /** The time-out came: what has waited so long is sent again. @param {number} now */
  timeOut(now) {
    const since = now - this.roundTrip.timeOut;
    let count = 0;
    for (const sent of this.#sent.values()) {
      if (sent.sentAt <= since && count++ < maxRepeated) {
        sent.isLost = true;
      }
    }
    this.roundTrip.backOff();
    this.dueAt = this.isEmpty ? Infinity : now + this.roundTrip.timeOut;
  }

  /** The path is another: what was under way may be lost, all of it. */
  loseAll() {
    for (const sent of this.#sent.values()) {
      sent.isLost = true;
    }
  }

  /** A relay on the way had no room. */
  congest() {
    this.#limit = Math.max(minFrames, Math.floor(Math.min(this.#limit, this.#sent.size) / 2));
  }

  clear() {
    this.#sent.clear();
    [this.#bytes, this.dueAt] = [0, Infinity];
  }

  // What was sent before something that arrived, and longer ago than the path takes, is lost (the idea of RFC 8985).
  /** @param {number} below @param {number} newest @param {number} now */
  #lose(below, newest, now) {
    for (const sent of this.#sent.values()) {
      if (sent.sequence >= below) {
        return;
      }
      if (sent.sentAt < newest && now - sent.sentAt > 1.25 * this.roundTrip.smoothed) {
        sent.isLost = true;
      }
    }
  }
}
