// What a session sends: segments made of what is due, one after the other (docs/protocol.md, "Segment").
import { concat, u64 } from "./bytes.js";
import { Flight } from "./flight.js";
import * as frames from "./frames.js";

/** @typedef {import("./bytes.js").Bytes} Bytes */

const checkpointDelay = 20;

/**
 * Where segments go.
 * @typedef {object} Outlet
 * @property {(payload: Bytes) => boolean} send False where there is no link, or no room.
 * @property {() => Promise<void>} room
 * @property {() => void} stalled Nothing has been acknowledged for a while.
 */

/**
 * @typedef {object} SenderParts
 * @property {import("./runtime.js").Runtime} runtime
 * @property {import("./epochs.js").Epochs} epochs
 * @property {import("./checkpoints.js").CheckpointSigner} signer
 * @property {import("./receiveQueue.js").ReceiveQueue} acks
 * @property {import("./liveness.js").Liveness} liveness
 * @property {Outlet} outlet
 * @property {ReadonlyMap<number, import("./channel.js").Channel>} channels
 * @property {() => void} onSent
 * @property {(error: unknown) => void} onFailed
 */

export class Sender {
  #parts;
  #flight = new Flight();
  /** @type {Bytes[]} */
  #control = [];
  /** @type {Bytes[]} */
  #checkpoints = [];
  #checkpointAt = Infinity;
  #turn = 0;
  /** @type {Bytes | null} */
  #pong = null;
  #pingDue = true;
  #pings = 0;
  /** @type {{ value: number, at: number } | null} */
  #ping = null;
  #isRunning = false;
  #isOver = false;
  /** @type {Promise<void>} */
  #run = Promise.resolve();

  /** @param {SenderParts} parts */
  constructor(parts) {
    this.#parts = parts;
  }

  get isOutstanding() {
    return !this.#flight.isEmpty;
  }

  get roundTrip() {
    return this.#flight.roundTrip.smoothed;
  }

  /** When something is due. */
  get dueAt() {
    return Math.min(this.#flight.dueAt, this.#parts.acks.ackAt, this.#parts.signer.hasLeaves ? this.#checkpointAt : Infinity);
  }

  /** A frame that goes before the data of channels. @param {Bytes} frame */
  control(frame) {
    if (!this.#isOver) {
      this.#control.push(frame);
      this.flush();
    }
  }

  ping() {
    this.#pingDue = true;
    this.flush();
  }

  /** @param {Bytes} value */
  pong(value) {
    this.#pong = value.slice();
  }

  /** @param {Bytes} value @param {number} now */
  onPong(value, now) {
    if (this.#ping !== null && new DataView(value.buffer, value.byteOffset, 8).getBigUint64(0) === BigInt(this.#ping.value)) {
      this.#flight.roundTrip.add(now - this.#ping.at);
      this.#ping = null;
    }
  }

  /** @param {import("./frames.js").Frame} ack @param {number} now @returns {string | null} what is wrong with it */
  onAck(ack, now) {
    const news = this.#flight.acknowledge(ack.sequence, ack.ranges, now);
    if (news !== null && news > 0) {
      this.#parts.liveness.progress(now);
    }
    return news === null ? "an ack of what was never sent" : null;
  }

  onPath() {
    this.#flight.loseAll();
    this.flush();
  }

  onCongested() {
    this.#flight.congest();
  }

  /** @param {number} now */
  look(now) {
    if (now >= this.#flight.dueAt) {
      this.#flight.timeOut(now);
    }
  }

  /** Sends what is due, after what else is said in this turn. */
  flush() {
    if (!this.#isRunning && !this.#isOver) {
      this.#isRunning = true;
      this.#run = Promise.resolve().then(() => this.#send());
    }
  }

  /** Sends no more frames. @param {{ code: number, text: string } | null} goodbye the last words */
  async end(goodbye) {
    this.#isOver = true;
    this.#control = [];
    if (goodbye !== null) {
      // What is being sealed and signed leaves first.
      await this.#run;
      await this.#sayGoodbye(goodbye.code, goodbye.text);
    }
    this.#flight.clear();
  }

  /** @param {number} code @param {string} text */
  async #sayGoodbye(code, text) {
    const { signer, runtime, epochs, outlet } = this.#parts;
    while (signer.hasLeaves) {
      this.#checkpoints.push(frames.checkpoint(await signer.sign(runtime.now())));
    }
    const now = runtime.ticks();
    const last = this.#checkpoints.splice(0).map(frame => this.#flight.add(sequence => frames.number(frame, sequence), now).bytes);
    outlet.send(await epochs.seal(concat(...last, frames.goodbye(code, text))));
  }

  async #send() {
    const { runtime, signer, liveness, epochs, outlet } = this.#parts;
    try {
      while (!this.#isOver) {
        const now = runtime.ticks();
        if (signer.isFull || (signer.hasLeaves && now >= this.#checkpointAt)) {
          const body = await signer.sign(runtime.now());
          this.#checkpointAt = now + checkpointDelay;
          this.#checkpoints.push(frames.checkpoint(body));
          continue;
        }
        const plaintext = liveness.hasPath ? this.#compose(now) : null;
        if (plaintext === null) {
          break;
        }
        outlet.send(await epochs.seal(plaintext));
        // What was not taken is sent again in its time; here the queue is given time to drain.
        await outlet.room();
      }
    } catch (error) {
      this.#parts.onFailed(error);
    } finally {
      this.#isRunning = false;
      this.#parts.onSent();
    }
  }

  /** The next segment's frames; null where nothing is due. @param {number} now */
  #compose(now) {
    const { acks } = this.#parts;
    const ack = acks.ack();
    let room = frames.maxPlaintext - (ack?.length ?? 0);
    /** @type {Bytes[]} */
    const parts = [];
    /** @param {Bytes} frame */
    const put = frame => {
      parts.push(frame);
      room -= frame.length;
    };
    if (this.#pong !== null) {
      put(frames.pong(this.#pong));
      this.#pong = null;
    }
    if (this.#pingDue) {
      this.#pingDue = false;
      this.#ping = { value: ++this.#pings, at: now };
      put(frames.ping(u64(this.#pings)));
    }
    for (const sent of this.#flight.lost()) {
      if (sent.bytes.length > room) {
        break;
      }
      put(sent.bytes);
      this.#flight.repeat(sent, now);
    }
    for (let next = this.#next(room); next !== null; next = this.#next(room)) {
      put(this.#number(next, now));
    }
    if (parts.length === 0 && !acks.isAckDue(now)) {
      return null;
    }
    acks.acked();
    return ack === null ? concat(...parts) : concat(ack, ...parts);
  }

  /** @param {import("./channel.js").Outgoing} next @param {number} now */
  #number({ frame, onHeld }, now) {
    if (this.#flight.isEmpty) {
      this.#parts.liveness.progress(now);
    }
    const { sequence, bytes } = this.#flight.add(next => frames.number(frame, next), now, onHeld);
    if (bytes[0] !== frames.types.checkpoint) {
      if (!this.#parts.signer.hasLeaves) {
        this.#checkpointAt = now + (this.#parts.runtime.isThrottled() ? 0 : checkpointDelay);
      }
      this.#parts.signer.add(sequence, bytes);
    }
    return bytes;
  }

  /** The next frame that was never sent. @param {number} room @returns {import("./channel.js").Outgoing | null} */
  #next(room) {
    const queue = this.#checkpoints.length > 0 ? this.#checkpoints : this.#control;
    if (queue.length > 0) {
      // Checkpoints and what keeps channels going don't wait behind megabytes, nor for acks of them.
      const frame = queue[0].length <= room ? queue.shift() : undefined;
      return frame === undefined ? null : { frame };
    }
    if (!this.#flight.hasRoomFor(room)) {
      return null;
    }
    const channels = [...this.#parts.channels.values()];
    for (let i = 0; i < channels.length; i++) {
      const next = channels[(this.#turn + i) % channels.length].next(room);
      if (next !== null) {
        this.#turn = (this.#turn + i + 1) % channels.length;
        return next;
      }
    }
    return null;
  }
}
