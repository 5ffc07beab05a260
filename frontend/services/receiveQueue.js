// The order of what a session gets, and what is acknowledged of it (docs/protocol.md, "Segment").
import * as frames from "./frames.js";

/** @typedef {import("./frames.js").Frame} Frame */

const ackDelay = 20;
const fullSegment = frames.maxPlaintext / 2;
const ackEvery = 256;
const maxHeldBytes = 4 * 1024 * 1024;
const maxHeld = 4_096;

export class ReceiveQueue {
  #next = 0;
  /** What came early. @type {Map<number, Frame>} */
  #held = new Map();
  #heldBytes = 0;
  #isPending = false;
  #isUrgent = false;
  #at = Infinity;
  #fullSegments = 0;
  #frames = 0;

  /** When an ack is due; forever where there is none. */
  get ackAt() {
    return this.#isPending ? this.#at : Infinity;
  }

  /** @param {number} now */
  isAckDue(now) {
    return this.#isPending && (this.#isUrgent || now >= this.#at);
  }

  /** Takes a sequenced frame. @param {Frame} frame @returns {boolean} true where its turn is now */
  take(frame) {
    this.#isPending = true;
    if (frame.sequence === this.#next) {
      return true;
    }
    // Early, or again: either way the other end should hear at once what is held. What is beyond the limits comes again.
    if (frame.sequence > this.#next && this.#held.size < maxHeld && this.#heldBytes + frame.encoded.length <= maxHeldBytes && !this.#held.has(frame.sequence)) {
      this.#held.set(frame.sequence, frame);
      this.#heldBytes += frame.encoded.length;
    }
    this.#isUrgent = true;
    return false;
  }

  /** After the frame whose turn it was: the next one, if it is held. */
  advance() {
    const next = this.#held.get(++this.#next);
    if (next !== undefined) {
      this.#held.delete(next.sequence);
      this.#heldBytes -= next.encoded.length;
    }
    return next;
  }

  /** A segment with sequenced frames was taken. @param {number} length @param {number} count @param {number} now @param {boolean} atOnce */
  plan(length, count, now, atOnce) {
    this.#fullSegments += length > fullSegment ? 1 : 0;
    this.#frames += count;
    this.#isUrgent ||= atOnce || this.#held.size > 0 || this.#fullSegments >= 2 || this.#frames >= ackEvery;
    this.#at = Math.min(this.#at, now + ackDelay);
  }

  /** An ack to put beside something else, if one is wanted. */
  ack() {
    return this.#isPending ? frames.ack(this.#next, this.#ranges()) : null;
  }

  /** It left. */
  acked() {
    [this.#isPending, this.#isUrgent, this.#at, this.#fullSegments, this.#frames] = [false, false, Infinity, 0, 0];
  }

  clear() {
    this.#held.clear();
    this.#heldBytes = 0;
  }

  #ranges() {
    /** @type {{ first: number, length: number }[]} */
    const ranges = [];
    for (const sequence of [...this.#held.keys()].sort((a, b) => a - b)) {
      const last = ranges.at(-1);
      if (last !== undefined && sequence === last.first + last.length) {
        last.length++;
      } else if (ranges.length === frames.maxRanges) {
        break;
      } else {
        ranges.push({ first: sequence, length: 1 });
      }
    }
    return ranges;
  }
}
