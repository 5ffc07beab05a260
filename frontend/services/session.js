// An end-to-end encrypted conversation with another node, over whatever path there is: each frame once and in order (docs/protocol.md, "Session").
import { Channel, window, windowBeforeAccept } from "./channel.js";
import { CheckpointSigner, CheckpointVerifier, Salts } from "./checkpoints.js";
import { Epochs } from "./epochs.js";
import { DawnError, closeCode, closeCodes } from "./errors.js";
import * as frames from "./frames.js";
import { Liveness } from "./liveness.js";
import { ReceiveQueue } from "./receiveQueue.js";
import { Sender } from "./sender.js";

/** @typedef {import("./bytes.js").Bytes} Bytes */
/** @typedef {import("./frames.js").Frame} Frame */

const tick = 1_000;
const pathSilence = 1_000;
const defaultRekeyAfter = 600_000;
const maxChannels = 1_024;
const maxClosing = 8_192;

/**
 * @typedef {object} SessionOptions
 * @property {import("./proof.js").Credentials} credentials
 * @property {import("./proof.js").Remote} remote
 * @property {Bytes} tag
 * @property {boolean} isInitiator
 * @property {import("./sender.js").Outlet} outlet
 * @property {number} [rekeyAfter] Milliseconds.
 * @property {number} [checkpointEvery]
 * @property {(session: Session) => void} [onEnd]
 */

export class Session {
  #options;
  #runtime;
  #epochs;
  #verifier;
  #liveness;
  #in = new ReceiveQueue();
  #sender;
  /** @type {Map<number, Channel>} */
  #channels = new Map();
  /** Channels that this end closed and the other has not. @type {Set<number>} */
  #closing = new Set();
  #nextChannel;
  #nextRemoteChannel;
  #isConfirmed = false;
  #isRekeying = false;
  /** @type {Promise<void>} */
  #receiving = Promise.resolve();
  /** @type {unknown} */
  #timer = null;
  #timerAt = Infinity;
  /** @type {DawnError | null} */
  #end = null;
  /** @type {(confirmed: boolean) => void} */
  #resolveConfirmed = () => {};
  /** True once something from the other end has authenticated; false where the session ended before. @type {Promise<boolean>} */
  confirmed = new Promise(resolve => this.#resolveConfirmed = resolve);
  /** Bytes of messages that wait to be read. */
  unread = 0;

  /** @param {SessionOptions} options @param {Epochs} epochs @param {CheckpointSigner} signer @param {CheckpointVerifier} verifier */
  constructor(options, epochs, signer, verifier) {
    const { runtime } = options.credentials;
    this.#options = options;
    this.#runtime = runtime;
    this.#epochs = epochs;
    this.#verifier = verifier;
    this.#liveness = new Liveness(runtime.ticks());
    this.#nextChannel = options.isInitiator ? 0 : 1;
    this.#nextRemoteChannel = 1 - this.#nextChannel;
    this.#sender = new Sender({
      runtime, epochs, signer, acks: this.#in, liveness: this.#liveness, outlet: options.outlet, channels: this.#channels,
      onSent: () => this.#arm(),
      onFailed: error => this.#fail(error),
    });
    this.#arm();
  }

  /** @param {SessionOptions} options @param {import("./noise.js").Split} split */
  static async begin(options, split) {
    const { credentials, remote, tag, isInitiator } = options;
    const self = credentials.identity.id;
    const signer = new CheckpointSigner(credentials.identity, { sender: self, recipient: remote.node, isInitiator, tag }, await Salts.of(split.secret, isInitiator), options.checkpointEvery);
    const verifier = new CheckpointVerifier({ sender: remote.node, recipient: self, isInitiator: !isInitiator, tag }, await Salts.of(split.secret, !isInitiator));
    split.secret.fill(0);
    return new Session(options, await Epochs.begin(credentials, split, remote.node, tag, options.rekeyAfter ?? defaultRekeyAfter), signer, verifier);
  }

  get remote() {
    return this.#options.remote;
  }

  get tag() {
    return this.#options.tag;
  }

  get epoch() {
    return this.#epochs.number;
  }

  /** Why it ended; null while it lives. */
  get error() {
    return this.#end;
  }

  /** In milliseconds; 0 before the first measurement. */
  get roundTrip() {
    return this.#sender.roundTrip;
  }

  /** False where a new channel had better not go. */
  get isHealthy() {
    return this.#end === null && this.#liveness.isHealthy(this.#runtime.ticks(), this.#sender.isOutstanding, this.#channels.size > 0);
  }

  /** @param {string} agent @param {string} caller this end's agent id */
  openChannel(agent, caller) {
    if (this.#end !== null) {
      throw new DawnError(this.#end.code, this.#end.message, { outcome: "not-executed" });
    }
    if (this.#channels.size >= maxChannels) {
      throw new DawnError("limit", `The session has ${maxChannels} channels, as many as are allowed.`, { outcome: "not-executed" });
    }
    const channel = new Channel(this, this.#nextChannel, true, windowBeforeAccept);
    this.#nextChannel += 2;
    this.#channels.set(channel.id, channel);
    this.control(frames.open(channel.id, window, agent, caller));
    return channel;
  }

  /** Takes a segment's payload; what doesn't authenticate ends nothing. @param {Bytes} payload */
  receive(payload) {
    // One after the other, though over two links they may come at once.
    return this.#receiving = this.#receiving.then(() => this.#receive(payload)).catch(error => this.#fail(error));
  }

  /** There is a path again, or another: what was under way may be lost. */
  onPath() {
    this.#liveness.path(true, this.#runtime.ticks());
    this.#sender.onPath();
  }

  onNoPath() {
    this.#liveness.path(false, this.#runtime.ticks());
  }

  onCongested() {
    this.#sender.onCongested();
  }

  /** Somebody says that the other end doesn't know the session. It counts only if nothing authentic comes. */
  doubt() {
    if (this.#liveness.doubt(this.#runtime.ticks())) {
      this.#sender.ping();
    }
  }

  ping() {
    this.#sender.ping();
  }

  /** For channels: a frame that goes before their data. @param {Bytes} frame */
  control(frame) {
    this.#sender.control(frame);
  }

  flush() {
    this.#sender.flush();
  }

  /** For channels: this one is over. @param {Channel} channel @param {boolean} expectClose the other end has not closed it */
  forget(channel, expectClose) {
    this.#channels.delete(channel.id);
    if (expectClose && this.#end === null) {
      this.#closing.add(channel.id);
      if (this.#closing.size > maxClosing) {
        this.#closing.delete(/** @type {number} */ (this.#closing.values().next().value));
      }
    }
    if (this.#channels.size === 0) {
      this.#liveness.idle(this.#runtime.ticks());
    }
  }

  /** Ends the session and all its channels. @param {number} code @param {string} text @param {boolean} tell say goodbye */
  async end(code, text, tell) {
    if (this.#end !== null) {
      return;
    }
    const end = new DawnError(code === 0 ? "closed" : closeCode(code), text === "" ? "The session was closed." : text);
    this.#end = end;
    this.#runtime.clearTimer(this.#timer);
    this.#resolveConfirmed(false);
    const channels = [...this.#channels.values()];
    this.#channels.clear();
    channels.forEach(channel => channel.finish(end));
    this.#in.clear();
    this.#options.onEnd?.(this);
    await this.#sender.end(tell ? { code, text } : null);
  }

  // A fault of ours: it costs this session, and is not kept quiet.
  /** @param {unknown} error */
  #fail(error) {
    console.error(error);
    void this.end(8, "A segment could not be handled.", false);
  }

  /** @param {Bytes} payload */
  async #receive(payload) {
    const opened = this.#end === null ? await this.#epochs.open(payload) : null;
    if (opened === null || this.#end !== null) {
      return;
    }
    const now = this.#runtime.ticks();
    this.#isConfirmed = true;
    this.#resolveConfirmed(true);
    if (this.#liveness.silence(now) >= pathSilence) {
      this.#verifier.onPathBack(now);
    }
    this.#liveness.heard(now);
    if (opened.switched) {
      // So that the other end can forget the old key, also where nothing else is to be said.
      this.#sender.ping();
    }
    const violation = await this.#takeFrames(opened.plaintext, now);
    if (this.#end !== null) {
      return;
    }
    if (violation !== null) {
      await this.end(4, `The other end broke the protocol: ${violation}.`, true);
      return;
    }
    this.#look(now);
    this.flush();
  }

  /** @param {Bytes} plaintext @param {number} now @returns {Promise<string | null>} what is wrong */
  async #takeFrames(plaintext, now) {
    const all = plaintext.length <= frames.maxPlaintext ? frames.readFrames(plaintext) : null;
    if (all === null) {
      return "a malformed segment";
    }
    let sequenced = 0;
    for (const frame of all) {
      sequenced += frames.isSequenced(frame) ? 1 : 0;
      const violation = frames.isSequenced(frame) ? await this.#takeSequenced(frame) : this.#takeUnsequenced(frame, now);
      if (violation !== null || this.#end !== null) {
        return violation;
      }
    }
    if (sequenced > 0) {
      this.#in.plan(plaintext.length, sequenced, now, this.#runtime.isThrottled());
    }
    return null;
  }

  /** @param {Frame} frame @param {number} now @returns {string | null} what is wrong */
  #takeUnsequenced(frame, now) {
    switch (frame.type) {
      case frames.types.ack:
        return this.#sender.onAck(frame, now);
      case frames.types.ping:
        this.#sender.pong(frame.body);
        return null;
      case frames.types.pong:
        this.#sender.onPong(frame.body, now);
        return null;
      case frames.types.goodbye:
        void this.end(frame.code === 0 || frame.code >= closeCodes.length ? 8 : frame.code, frame.text === "" ? "The other end ended the session." : frame.text, false);
        return null;
      default:
        return null;
    }
  }

  /** @param {Frame} frame @returns {Promise<string | null>} what is wrong */
  async #takeSequenced(frame) {
    /** @type {Frame | undefined} */
    let next = this.#in.take(frame) ? frame : undefined;
    while (next !== undefined) {
      // It is held from now on, as an ack says that leaves meanwhile.
      const following = this.#in.advance();
      const violation = await this.#deliver(next, this.#runtime.ticks());
      if (violation !== null || this.#end !== null) {
        return violation;
      }
      next = following;
    }
    return null;
  }

  /** @param {Frame} frame @param {number} now @returns {Promise<string | null>} */
  async #deliver(frame, now) {
    if (frame.type === frames.types.checkpoint) {
      return this.#verifier.take(frame.body, now);
    }
    this.#verifier.add(frame.sequence, frame.encoded, now);
    switch (frame.type) {
      case frames.types.open:
        return this.#takeOpen(frame.channel);
      case frames.types.rekey:
        return this.#takeRekey(frame.body);
    }
    const channel = this.#channels.get(frame.channel);
    if (channel !== undefined && frame.type === frames.types.close) {
      this.control(frames.close(channel.id, 0, ""));
      this.forget(channel, false);
      channel.onClose(frame.code, frame.text);
      return null;
    }
    if (channel !== undefined) {
      return channel.take(frame);
    }
    if (!this.#closing.has(frame.channel)) {
      return "a frame on a channel that is not open";
    }
    if (frame.type === frames.types.close) {
      this.#closing.delete(frame.channel);
    }
    return null;
  }

  // A light node hosts nothing.
  /** @param {number} channel */
  #takeOpen(channel) {
    if (channel % 2 !== this.#nextRemoteChannel % 2 || channel < this.#nextRemoteChannel) {
      return "a channel that is not its to open";
    }
    this.#nextRemoteChannel = channel + 2;
    this.#closing.add(channel);
    this.control(frames.accept(channel, window));
    this.control(frames.close(channel, 1, "This node hosts no agents."));
    return null;
  }

  /** @param {Bytes} body */
  async #takeRekey(body) {
    const step = this.#options.isInitiator ? await this.#epochs.take(body) : { code: 4, problem: "a rekeying with a node that began none" };
    if (step !== null && "problem" in step) {
      await this.end(step.code, `The session's keys could not be renewed: ${step.problem}.`, true);
    } else if (step !== null) {
      this.#options.remote = step.remote;
      this.control(step.answer);
    }
    return null;
  }

  // What is due by time. Asked by the timer and by whatever comes, since timers of hidden pages come late.
  /** @param {number} now */
  #look(now) {
    this.#sender.look(now);
    const [isOutstanding, hasChannels] = [this.#sender.isOutstanding, this.#channels.size > 0];
    if (this.#liveness.takeStall(now, isOutstanding)) {
      this.#options.outlet.stalled();
    }
    const { certificate } = this.#options.remote;
    const end = certificate !== null && certificate.notAfter <= this.#runtime.now() ? { code: 2, text: "The other end's certificate has expired.", tell: true }
      : this.#verifier.isOverdue(now, this.#liveness.silence(now) >= pathSilence) ? { code: 4, text: "The other end's frames stayed without a checkpoint.", tell: true }
      : this.#epochs.isStuck ? { code: 8, text: "The rekeying was not finished.", tell: true }
      : this.#liveness.verdict(now, isOutstanding, hasChannels);
    if (end !== null) {
      void this.end(end.code, end.text, end.tell);
      return;
    }
    if (this.#liveness.takePing(now, hasChannels)) {
      this.#sender.ping();
    }
    this.#epochs.forgetOld();
    if (this.#options.isInitiator && this.#isConfirmed && !this.#isRekeying && this.#epochs.isDue()) {
      this.#isRekeying = true;
      this.#beginRekey().catch(error => this.#fail(error)).finally(() => this.#isRekeying = false);
    }
  }

  async #beginRekey() {
    const frame = await this.#epochs.beginRekey(this.remote.node);
    this.#sender.ping();
    this.control(frame);
  }

  #arm() {
    const now = this.#runtime.ticks();
    const at = Math.max(now, Math.min(now + tick, this.#sender.dueAt, this.#epochs.dueAt > now ? this.#epochs.dueAt : Infinity));
    if (this.#end !== null || (this.#timerAt > now && this.#timerAt <= at)) {
      return;
    }
    this.#runtime.clearTimer(this.#timer);
    this.#timerAt = at;
    this.#timer = this.#runtime.setTimer(() => {
      this.#timerAt = Infinity;
      this.#look(this.#runtime.ticks());
      this.flush();
    }, Math.ceil(at - now));
  }
}
