// One conversation inside a session: messages of any size each way, in order, within windows (docs/protocol.md, "Windows").
import { concat } from "./bytes.js";
import { DawnError, closeCode } from "./errors.js";
import * as frames from "./frames.js";

/** @typedef {import("./bytes.js").Bytes} Bytes */
/** A frame that leaves for the first time. @typedef {{ frame: Bytes, onHeld?: () => void }} Outgoing */

/**
 * For messages whose sending takes a while.
 * @typedef {object} SendOptions
 * @property {(held: number, total: number) => void} [onHeld] How many bytes the other end has, as it acknowledges them.
 * @property {() => Promise<unknown>} [onLast] Called when all but the last frame has left, which waits for it: until then nobody can have the message.
 */

/** A message that has not left whole. @typedef {{ bytes: Bytes, at: number, held: number, isLastAsked: boolean, mayEnd: boolean, options: SendOptions, left: () => void, fail: (error: unknown) => void }} Queued */

export const window = 1024 * 1024;
export const windowBeforeAccept = 64 * 1024;
export const maxMessage = 64 * 1024 * 1024;

// Of all channels of a session together.
const maxUnread = 128 * 1024 * 1024;
const step = 256 * 1024;
// A data frame, and beside it an ack with all its ranges.
const maxChunk = 15_872;
// What may wait to be sent: a message of the longest kind, and answers beside it.
const maxWaiting = 2 * maxMessage;

export class Channel {
  #session;
  #ours;
  /** @type {Queued[]} */
  #outgoing = [];
  #waiting = 0;
  #sent = 0;
  #sendLimit;
  #closing = false;
  /** @type {Bytes[]} */
  #partial = [];
  #partialSize = 0;
  /** @type {Bytes[]} */
  #unread = [];
  #received = 0;
  #released = 0;
  #granted = window;
  /** @type {DawnError | null} */
  #end = null;
  #isOver = false;
  /** @type {((message: Bytes | null) => void) | null} */
  #reader = null;

  /** @param {import("./session.js").Session} session @param {number} id @param {boolean} ours opened by this end @param {number} sendLimit */
  constructor(session, id, ours, sendLimit) {
    this.#session = session;
    this.#ours = ours;
    this.id = id;
    this.#sendLimit = sendLimit;
  }

  /** Why it ended; null while it is open, and where it was closed without a fault. */
  get error() {
    return this.#end;
  }

  get isOver() {
    return this.#isOver;
  }

  /**
   * Sends a message; resolves once all of it has left this end for the first time.
   * @param {Bytes} message @param {SendOptions} [options] @returns {Promise<void>}
   */
  send(message, options = {}) {
    if (this.#isOver || this.#closing) {
      return Promise.reject(new DawnError(this.#end?.code ?? "closed", this.#end?.message ?? "The channel is closed.", { outcome: "not-executed" }));
    }
    if (message.length > maxMessage || this.#waiting + message.length > maxWaiting) {
      return Promise.reject(new DawnError("limit", `A message may have ${maxMessage} bytes, and ${maxWaiting} may wait to be sent.`, { outcome: "not-executed" }));
    }
    return new Promise((resolve, reject) => {
      this.#outgoing.push({ bytes: message, at: 0, held: 0, isLastAsked: false, mayEnd: options.onLast === undefined, options, left: () => resolve(undefined), fail: reject });
      this.#waiting += message.length;
      this.#session.flush();
    });
  }

  /** The next message; null once there are no more. One reader at a time. @returns {Promise<Bytes | null>} */
  async read() {
    /** @type {Bytes | null} */
    const message = this.#unread.shift() ?? (this.#isOver ? null : await new Promise(resolve => {
      this.#reader = resolve;
    }));
    if (message !== null) {
      this.#session.unread -= message.length;
      this.#release(message.length);
    }
    return message;
  }

  /** Closes both directions; what was queued before still leaves where the code is 0. @param {number} [code] @param {string} [reason] */
  close(code = 0, reason = "") {
    if (this.#isOver || this.#closing) {
      return;
    }
    this.#closing = true;
    if (code !== 0 || this.#outgoing.length === 0) {
      this.#finishClose(code, reason);
    } else {
      this.#session.flush();
    }
  }

  /** The next frame to send, at most so long; null where there is nothing, or no window for it. @param {number} room @returns {Outgoing | null} */
  next(room) {
    const message = this.#outgoing[0];
    if (message === undefined || this.#isOver) {
      return null;
    }
    const rest = message.bytes.length - message.at;
    const size = Math.min(rest, maxChunk, room - frames.dataOverhead, this.#sendLimit - this.#sent);
    // Crumbs at the end of a segment cost more than they bring.
    if (size < 0 || (size < rest && size < Math.min(maxChunk, 1_024))) {
      return null;
    }
    if (size === rest && !message.mayEnd) {
      this.#askLast(message);
      return null;
    }
    const frame = frames.data(this.id, size === rest, message.bytes.subarray(message.at, message.at + size));
    message.at += size;
    this.#sent += size;
    this.#waiting -= size;
    if (size === rest) {
      this.#outgoing.shift();
      message.left();
      if (this.#closing && this.#outgoing.length === 0) {
        this.#finishClose(0, "");
      }
    }
    const { onHeld } = message.options;
    return { frame, onHeld: onHeld === undefined ? undefined : () => onHeld(message.held += size, message.bytes.length) };
  }

  /** @param {Queued} message */
  #askLast(message) {
    if (message.isLastAsked) {
      return;
    }
    message.isLastAsked = true;
    void message.options.onLast?.().then(
      () => {
        message.mayEnd = true;
        this.#session.flush();
      },
      (/** @type {unknown} */ error) => {
        // Half a message can't be taken back, but with its channel.
        message.fail(error);
        this.close(6, "The message was given up.");
      });
  }

  /** @param {import("./frames.js").Frame} frame @returns {string | null} what is wrong with it */
  take(frame) {
    switch (frame.type) {
      case frames.types.accept:
      case frames.types.window:
        this.#sendLimit = Math.max(this.#sendLimit, frame.window);
        return frame.type === frames.types.accept && !this.#ours ? "an accept of a channel that it opened itself" : null;
      case frames.types.data:
        return this.#takeData(frame);
      default:
        return `a frame of type ${frame.type} on a channel`;
    }
  }

  /** The other end closed it, or its session ended. @param {DawnError | null} error */
  finish(error) {
    if (this.#isOver) {
      return;
    }
    [this.#isOver, this.#end] = [true, error];
    const unsent = error ?? new DawnError("closed", "The other end closed the channel.");
    for (const message of this.#outgoing.splice(0)) {
      // Whose last frame never left is no message: nobody has acted on it.
      message.fail(new DawnError(unsent.code, unsent.message, { outcome: "not-executed" }));
    }
    this.#waiting = 0;
    [this.#partial, this.#partialSize] = [[], 0];
    this.#hand(null);
  }

  /** @param {number} code @param {string} text of a close that came */
  onClose(code, text) {
    this.finish(code === 0 ? null : new DawnError(closeCode(code), text === "" ? `The other end closed the channel (${closeCode(code)}).` : text));
  }

  /** @param {import("./frames.js").Frame} frame */
  #takeData(frame) {
    this.#received += frame.body.length;
    if (this.#received > this.#granted) {
      return "more data than its window allows";
    }
    if (this.#closing) {
      // Nobody reads any more; the other end will hear of it.
      this.#release(frame.body.length);
      return null;
    }
    this.#partial.push(frame.body.slice());
    this.#partialSize += frame.body.length;
    if (this.#partialSize > maxMessage) {
      this.close(5, "A message of more than 64 MiB.");
      this.finish(new DawnError("limit", "The agent sent a message of more than 64 MiB."));
      return null;
    }
    if (frame.endsMessage) {
      const message = concat(...this.#partial);
      [this.#partial, this.#partialSize] = [[], 0];
      // What was released while the message was incomplete is released.
      this.#session.unread += message.length;
      this.#released -= this.#early;
      this.#early = 0;
      this.#hand(message);
      if (this.#session.unread > maxUnread) {
        this.close(5, "Too much is unread.");
        this.finish(new DawnError("limit", "More waits to be read than a page keeps."));
      }
    } else if (this.#unread.length === 0) {
      // A message may be longer than the window.
      const more = this.#partialSize - this.#early;
      this.#early += more;
      this.#release(more);
    }
    return null;
  }

  // Of the message that is incomplete, the bytes that were released already.
  #early = 0;

  /** @param {Bytes | null} message */
  #hand(message) {
    if (this.#reader !== null) {
      const reader = this.#reader;
      this.#reader = null;
      reader(message);
    } else if (message !== null) {
      this.#unread.push(message);
    }
  }

  /** @param {number} bytes */
  #release(bytes) {
    this.#released += bytes;
    if (!this.#isOver && this.#released + window - this.#granted >= step) {
      this.#granted = this.#released + window;
      this.#session.control(frames.window(this.id, this.#granted));
    }
  }

  /** @param {number} code @param {string} reason */
  #finishClose(code, reason) {
    this.#session.control(frames.close(this.id, code, reason));
    this.#session.forget(this, true);
    this.finish(code === 0 ? null : new DawnError(closeCode(code), reason));
  }
}
