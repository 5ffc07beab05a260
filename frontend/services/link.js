// The link to the home node: hello, handshake, sealed records of frames, keep-alive, rekeying, close (docs/protocol.md, "Link").
import { Reader, Writer, concat, equal, fromText } from "./bytes.js";
import { DawnError } from "./errors.js";
import { shakeHands } from "./hello.js";
import { NoiseError } from "./noise.js";
import { Direction, Outbox, encodeFrame, maxQueue, reserve } from "./outbox.js";
import { ProvenHandshake, maxMessage } from "./proof.js";
import { ByteStream } from "./stream.js";

/** @typedef {import("./bytes.js").Bytes} Bytes */
/** @typedef {import("./proof.js").Credentials} Credentials */

export const frames = Object.freeze({ padding: 0, envelope: 1, ping: 2, pong: 3, close: 4, rekey: 5, switch: 6, record: 7, redeem: 8, redeemed: 9, membership: 10, registry: 11 });

/** Why a link ended; the first seven by the wire's numbers. @typedef {"done" | "stopping" | "duplicate" | "protocol" | "certificate-expired" | "limit" | "silent" | "broken"} LinkEnd */
/** @type {readonly LinkEnd[]} */
const ends = ["done", "stopping", "duplicate", "protocol", "certificate-expired", "limit", "silent", "broken"];

const handshakeTime = 5_000;
const firstRecordTime = 5_000;
const pingAfter = 5_000;
const silentAfter = 15_000;
// Where something that was sent got no answer.
const silentWhenAsked = 5_000;
const closeTime = 2_000;
const rekeyTime = 60_000;
const rekeyPause = 1_000;
const stuckAfter = 30_000;
const tick = 1_000;
const measurements = 4;

/** @param {number} code @param {string} reason */
export const encodeClose = (code, reason) => new Writer().u8(code).text8(truncated(reason)).end();

/** At most 200 bytes, and whole characters. @param {string} text */
function truncated(text) {
  let cut = [...text];
  while (fromText(cut.join("")).length > 200) {
    cut = cut.slice(0, -1);
  }
  return cut.join("");
}

/**
 * @typedef {object} LinkOptions
 * @property {Bytes | null} [ticketId] For a newcomer: the ticket whose PSK the credentials hold.
 * @property {Bytes | null} [expected] Who must answer; null takes any member.
 * @property {number} [rekeyAfter] Milliseconds.
 */

export class Link {
  #stream;
  #credentials;
  #runtime;
  #isTicket;
  #rekeyAfter;
  #receive;
  #hash;
  #remote;
  #shown;
  #outbox;
  #closing = false;
  #heardAt;
  #pingAt = -Infinity;
  // When the silence was first answered with a ping. Where timers slept it is that, and not the silence, that counts.
  #askedAt = Infinity;
  #patience = silentAfter - pingAfter;
  /** @type {{ value: Bytes, at: number } | null} */
  #ping = null;
  #pings = 0n;
  /** @type {"idle" | "answer" | "switch"} */
  #rekey = "idle";
  #rekeyAsked = false;
  #rekeySince = 0;
  #epochSince;
  /** @type {ProvenHandshake | null} */
  #handshake = null;
  /** @type {Direction | null} */
  #nextReceive = null;
  /** @type {unknown} */
  #timer = null;
  #isUp = false;
  /** @type {LinkEnd | null} */
  #end = null;
  /** @type {(value: { end: LinkEnd, reason: string }) => void} */
  #resolveEnded = () => {};
  /** @type {(up: boolean) => void} */
  #resolveUp = () => {};

  /** Takes frames that are not the link's own, in their order. @type {(type: number, body: Bytes) => Promise<void>} */
  onFrame = async () => {};
  /** Ends with the link; never fails. @type {Promise<{ end: LinkEnd, reason: string }>} */
  ended = new Promise(resolve => this.#resolveEnded = resolve);
  /** @type {Promise<boolean>} */
  #up = new Promise(resolve => this.#resolveUp = resolve);
  /** The last few, in milliseconds. @type {number[]} */
  #roundTrips = [];
  epoch = 0;

  /**
   * @param {ByteStream} stream @param {Credentials} credentials @param {import("./proof.js").Remote} remote
   * @param {{ send: Direction, receive: Direction, hash: Bytes }} keys @param {LinkOptions} options
   */
  constructor(stream, credentials, remote, keys, options) {
    this.#stream = stream;
    this.#credentials = credentials;
    this.#runtime = credentials.runtime;
    this.#remote = remote;
    this.#outbox = new Outbox(stream, keys.send, credentials.runtime, error => this.#finish("broken", String(error)));
    this.#receive = keys.receive;
    this.#hash = keys.hash;
    this.#isTicket = options.ticketId != null;
    this.#rekeyAfter = options.rekeyAfter ?? 600_000;
    this.#shown = credentials.certificate;
    this.#heardAt = this.#epochSince = this.#runtime.ticks();
    stream.onBytes = () => {
      this.#heardAt = this.#runtime.ticks();
      this.#askedAt = Infinity;
      this.#patience = silentAfter - pingAfter;
    };
  }

  /** The shortest of the last measured round trips in milliseconds: what the browser's own work adds is no way. @returns {number | null} */
  get roundTrip() {
    return this.#roundTrips.length === 0 ? null : Math.min(...this.#roundTrips);
  }

  /** Who is at the other end; null certificate on a ticket's link alone. */
  get remote() {
    return this.#remote;
  }

  /**
   * Connects and shakes hands; the link is up when this returns.
   * @param {string} url @param {import("./stream.js").SocketConstructor} Socket @param {Credentials} credentials @param {LinkOptions} [options] @param {AbortSignal} [signal]
   */
  static async dial(url, Socket, credentials, options = {}, signal) {
    const { runtime } = credentials;
    const deadline = new AbortController();
    const timer = runtime.setTimer(() => deadline.abort(new DawnError("timeout", `${url} did not finish the handshake within ${handshakeTime / 1000} s.`)), handshakeTime);
    const onAbort = () => deadline.abort(new DawnError("cancelled", "No longer wanted."));
    signal?.addEventListener("abort", onAbort, { once: true });
    if (signal?.aborted) {
      onAbort();
    }
    /** @type {ByteStream | null} */
    let stream = null;
    try {
      stream = await ByteStream.open(url, Socket, deadline.signal);
      deadline.signal.addEventListener("abort", () => stream?.close(), { once: true });
      const { remote, keys } = await shakeHands(stream, credentials, options.ticketId ?? null, options.expected ?? null);
      const link = new Link(stream, credentials, remote, { send: await Direction.of(keys.send), receive: await Direction.of(keys.receive), hash: keys.hash }, options);
      runtime.clearTimer(timer);
      return await link.#start();
    } catch (error) {
      stream?.close();
      if (deadline.signal.aborted) {
        throw deadline.signal.reason;
      }
      throw error;
    } finally {
      runtime.clearTimer(timer);
      signal?.removeEventListener("abort", onAbort);
    }
  }

  /** Queues a frame; false where the queue is full or the link is over. @param {number} type @param {...Bytes} parts */
  send(type, ...parts) {
    return this.#outbox.add(encodeFrame(type, ...parts), maxQueue);
  }

  /** Waits until the queue has room, or the link is over. @returns {Promise<void>} */
  room() {
    return this.#outbox.room();
  }

  /** Something that was sent got no answer: the other end is asked whether it is there, and has less time than usual. */
  ask() {
    if (this.#end === null && this.#patience !== silentWhenAsked) {
      this.#patience = silentWhenAsked;
      this.#askedAt = Math.min(this.#askedAt, this.#runtime.ticks());
      this.#pingNow();
    }
  }

  /** Sends what is queued and a close frame, and ends. @param {LinkEnd} end @param {string} [reason] */
  async close(end, reason = "") {
    if (this.#end === null && !this.#closing) {
      this.#outbox.add(encodeFrame(frames.close, encodeClose(ends.indexOf(end), reason)), Infinity, { isLast: true });
      this.#closing = true;
      this.#runtime.setTimer(() => this.#finish(end, reason), closeTime);
    }
    await this.ended;
  }

  /** Ends without a word, as when the machine slept and the other end has long given up. */
  abandon() {
    this.#finish("broken", "abandoned");
  }

  async #start() {
    this.#pingNow();
    this.#timer = this.#runtime.setTimer(() => this.#onTick(), tick);
    const timer = this.#runtime.setTimer(() => this.#finish("silent", "the first record did not come"), firstRecordTime);
    void this.#read();
    const isUp = await this.#up;
    this.#runtime.clearTimer(timer);
    if (!isUp) {
      const { end, reason } = await this.ended;
      throw end === "limit" ? new DawnError("limit", `The node takes no more links: ${reason}.`)
        : new DawnError(this.#isTicket ? "ticket-spent" : "wrong-network", "The node did not accept this page: its certificate or its network is another.");
    }
    return this;
  }

  async #read() {
    try {
      while (this.#end === null) {
        const head = await this.#stream.read(2);
        const body = head === null ? null : await this.#stream.read(head[0] * 256 + head[1]);
        if (body === null) {
          this.#finish("broken", "the connection broke");
          return;
        }
        const plaintext = await this.#receive.open(body);
        if (plaintext === null) {
          this.#finish("protocol", "a record that does not open");
          return;
        }
        if (!this.#isUp) {
          this.#isUp = true;
          this.#resolveUp(true);
          // Whoever awaits the link sets its handler first.
          await Promise.resolve();
        }
        await this.#takeRecord(new Reader(plaintext));
      }
    } catch (error) {
      // What isn't foreseen costs this link and no more.
      void this.close("protocol", error instanceof ViolationError ? error.message : "a frame could not be handled");
      if (!(error instanceof ViolationError)) {
        console.error(error);
      }
    }
  }

  /** @param {Reader} reader */
  async #takeRecord(reader) {
    while (reader.remaining > 0 && this.#end === null) {
      const [type, body] = [reader.u8(), reader.block16()];
      if (reader.failed) {
        throw new ViolationError("a frame that is longer than its record");
      }
      if (type === frames.switch && reader.remaining > 0) {
        throw new ViolationError("frames behind a switch");
      }
      await this.#takeFrame(type, body);
    }
  }

  /** @param {number} type @param {Bytes} body */
  async #takeFrame(type, body) {
    switch (type) {
      case frames.padding:
        return;
      case frames.ping:
        check(body.length === 8, "a ping of another length");
        this.#outbox.add(encodeFrame(frames.pong, body), maxQueue + reserve);
        return;
      case frames.pong:
        check(body.length === 8, "a pong of another length");
        if (this.#ping !== null && equal(body, this.#ping.value)) {
          this.#roundTrips = [...this.#roundTrips.slice(1 - measurements), this.#runtime.ticks() - this.#ping.at];
          this.#ping = null;
        }
        return;
      case frames.close:
        return this.#takeClose(body);
      case frames.rekey:
        check(!this.#isTicket && body.length > 0, "a rekeying that has no place here");
        return this.#takeRekey(body[0], body.subarray(1));
      case frames.switch:
        check(this.#rekey === "switch" && body.length === 0 && this.#nextReceive !== null, "a switch out of turn");
        this.#receive = /** @type {Direction} */ (this.#nextReceive);
        [this.#nextReceive, this.#rekey, this.#epochSince] = [null, "idle", this.#runtime.ticks()];
        this.epoch++;
        return;
      case frames.redeemed:
        check(this.#isTicket, "redeemed without a ticket");
        return this.onFrame(type, body);
      case frames.envelope:
      case frames.record:
      case frames.membership:
      case frames.registry:
        check(!this.#isTicket, "a frame that has no place on a ticket's link");
        return this.onFrame(type, body);
      default:
        throw new ViolationError(`a frame of type ${type}`);
    }
  }

  /** @param {Bytes} body */
  #takeClose(body) {
    const reader = new Reader(body);
    const [code, reason] = [reader.u8(), reader.text8()];
    this.#finish(reader.complete && code < ends.length - 1 ? ends[code] : "protocol", reader.complete ? reason : "a malformed close");
  }

  /** @param {number} number @param {Bytes} message */
  async #takeRekey(number, message) {
    if (number === 0 && message.length === 0 && !this.#rekeyAsked && this.#rekey !== "switch") {
      // One that crossed message 1 asks for what is under way.
      this.#rekeyAsked = this.#rekey === "idle";
      return;
    }
    check(number === 2 && this.#rekey === "answer" && message.length <= maxMessage, "a rekeying out of turn");
    const handshake = /** @type {ProvenHandshake} */ (this.#handshake);
    try {
      await handshake.second(message);
    } catch (error) {
      throw error instanceof NoiseError || error instanceof DawnError ? new ViolationError("a rekeying that does not hold") : error;
    }
    const third = await handshake.third();
    const { send, receive, hash } = await handshake.split();
    [this.#nextReceive, this.#hash, this.#handshake, this.#rekey, this.#rekeySince] = [await Direction.of(receive), hash, null, "switch", this.#runtime.ticks()];
    this.#remote = /** @type {import("./proof.js").Remote} */ (handshake.remote);
    // In one piece, so that nothing comes between.
    this.#outbox.add(concat(encodeFrame(frames.rekey, Uint8Array.of(3), third), encodeFrame(frames.switch)), Infinity, { next: await Direction.of(send) });
  }

  async #beginRekey() {
    [this.#rekey, this.#rekeyAsked, this.#rekeySince, this.#shown] = ["answer", false, this.#runtime.ticks(), this.#credentials.certificate];
    this.#handshake = await ProvenHandshake.begin(this.#credentials, "link", this.#hash, this.#remote.node);
    this.#outbox.add(encodeFrame(frames.rekey, Uint8Array.of(1), await this.#handshake.first()), Infinity);
  }

  #onTick() {
    if (this.#end !== null) {
      return;
    }
    this.#timer = this.#runtime.setTimer(() => this.#onTick(), tick);
    const now = this.#runtime.ticks();
    const certificate = this.#remote.certificate;
    if (certificate !== null && certificate.notAfter <= this.#runtime.now()) {
      void this.close("certificate-expired");
    } else if (now - this.#askedAt >= this.#patience) {
      this.#finish("silent", "nothing was heard for too long");
    } else if (this.#rekey !== "idle" && now - this.#rekeySince >= rekeyTime) {
      void this.close("limit", "the rekeying was not answered");
    } else if (this.#outbox.stuckFor >= stuckAfter) {
      this.#finish("limit", "the other end takes nothing any more");
    } else {
      if (now - this.#heardAt >= pingAfter && now - this.#pingAt >= pingAfter) {
        this.#askedAt = Math.min(this.#askedAt, now);
        this.#pingNow();
      }
      const isDue = this.#rekeyAsked || now - this.#epochSince >= this.#rekeyAfter || !equal(this.#shown, this.#credentials.certificate);
      if (this.#rekey === "idle" && !this.#isTicket && isDue && now - this.#epochSince >= rekeyPause) {
        this.#beginRekey().catch(error => this.#finish("broken", String(error)));
      }
    }
  }

  #pingNow() {
    const value = new Writer().u64(++this.#pings).end();
    this.#pingAt = this.#runtime.ticks();
    this.#ping = { value, at: this.#pingAt };
    this.#outbox.add(encodeFrame(frames.ping, value), maxQueue + reserve);
  }

  /** @param {LinkEnd} end @param {string} reason */
  #finish(end, reason) {
    if (this.#end === null) {
      this.#end = end;
      this.#runtime.clearTimer(this.#timer);
      this.#stream.close();
      this.#outbox.abort();
      this.#resolveUp(false);
      this.#resolveEnded({ end, reason });
    }
  }
}

/** What the other end did against the protocol. */
class ViolationError extends Error {}

/** @param {boolean} holds @param {string} violation */
function check(holds, violation) {
  if (!holds) {
    throw new ViolationError(violation);
  }
}
