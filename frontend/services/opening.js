// How a session begins: three messages, repeated where they are lost (docs/protocol.md, "Session", "Handshake").
import { concat, fromText, toHex } from "./bytes.js";
import { kinds, tagSize } from "./envelope.js";
import { DawnError } from "./errors.js";
import { NoiseError } from "./noise.js";
import { ProvenHandshake, maxMessage } from "./proof.js";
import { delay } from "./runtime.js";
import { Session } from "./session.js";

/** @typedef {import("./bytes.js").Bytes} Bytes */

// The next one may take another way.
const repeatAfter = [1_000, 1_000, 2_000, 2_000, 2_000];
const giveUp = 10_000;
// Once the session is there, what it carries may have been executed: as long as a session may be without progress.
const confirmWithin = 30_000;

/**
 * @typedef {object} OpeningOptions
 * @property {import("./proof.js").Credentials} credentials
 * @property {Bytes} target
 * @property {(kind: number, tag: Bytes, payload: Bytes) => boolean} send
 * @property {(tag: Bytes) => import("./sender.js").Outlet} outlet
 * @property {(session: Session) => void} onEnd
 * @property {() => void} onUnanswered It may be that there is no way.
 * @property {number} [rekeyAfter]
 */

export class Opening {
  #options;
  #tag;
  /** @type {ProvenHandshake | null} */
  #handshake = null;
  #done = new AbortController();
  #isWorking = false;
  /** @type {(session: Session) => void} */
  #resolve = () => {};
  /** @type {(error: unknown) => void} */
  #reject = () => {};
  /** @type {Bytes | null} */
  #first = null;
  /** @type {Promise<Session>} */
  session = new Promise((resolve, reject) => {
    this.#resolve = resolve;
    this.#reject = reject;
  });
  /** Called with the session before its first segment can come. @type {(session: Session) => void} */
  onSession = () => {};

  /** @param {OpeningOptions} options */
  constructor(options) {
    this.#options = options;
    this.#tag = options.credentials.runtime.random(tagSize);
    // Whoever asks for the session hears of it; a rejection that nobody awaits is no fault of its own.
    this.session.catch(() => {});
  }

  get tag() {
    return this.#tag;
  }

  async begin() {
    const { credentials, target } = this.#options;
    try {
      this.#handshake = await ProvenHandshake.begin(credentials, "session", concat(fromText("dawn/1 session"), Uint8Array.of(0), credentials.identity.id, target, this.#tag), target);
      this.#first = concat(Uint8Array.of(1), await this.#handshake.first());
      this.again();
      for (const pause of repeatAfter) {
        if (!await delay(credentials.runtime, pause, this.#done.signal)) {
          return;
        }
        this.#options.onUnanswered();
        this.again();
      }
      if (await delay(credentials.runtime, giveUp - repeatAfter.reduce((a, b) => a + b), this.#done.signal)) {
        this.fail(new DawnError("unreachable", "The node did not answer within 10 s, so nothing was sent.", { outcome: "not-executed" }));
      }
    } catch (error) {
      this.fail(error);
    }
  }

  /** Sends message 1, as when there is a way again. */
  again() {
    if (this.#first !== null && !this.#done.signal.aborted) {
      this.#options.send(kinds.handshake, this.#tag, this.#first);
    }
  }

  /** Takes an envelope of this handshake; what doesn't hold may be a forgery, and changes nothing. @param {Bytes} payload */
  async take(payload) {
    const handshake = this.#handshake;
    if (payload[0] !== 2 || payload.length > 1 + maxMessage || handshake === null || this.#isWorking || this.#done.signal.aborted) {
      return;
    }
    this.#isWorking = true;
    try {
      await handshake.second(payload.subarray(1));
      const third = concat(Uint8Array.of(3), await handshake.third());
      const { credentials, outlet, onEnd, rekeyAfter } = this.#options;
      const remote = /** @type {import("./proof.js").Remote} */ (handshake.remote);
      const session = await Session.begin({ credentials, remote, tag: this.#tag, isInitiator: true, outlet: outlet(this.#tag), onEnd, rekeyAfter }, await handshake.split());
      if (this.#done.signal.aborted) {
        await session.end(8, "No longer wanted.", false);
        return;
      }
      this.#done.abort();
      this.onSession(session);
      this.#options.send(kinds.handshake, this.#tag, third);
      this.#resolve(session);
      void this.#confirm(session, third);
    } catch (error) {
      if (!(error instanceof NoiseError)) {
        this.fail(error);
      }
    } finally {
      this.#isWorking = false;
    }
  }

  /** @param {unknown} error */
  fail(error) {
    this.#done.abort();
    this.#reject(error);
  }

  // Message 3 may be lost as well; a ping with it brings an answer about.
  /** @param {Session} session @param {Bytes} third */
  async #confirm(session, third) {
    const { runtime } = this.#options.credentials;
    const confirmed = new AbortController();
    void session.confirmed.then(() => confirmed.abort());
    for (let waited = 0, i = 0; waited < confirmWithin; i++) {
      const pause = repeatAfter[Math.min(i, repeatAfter.length - 1)] ?? 0;
      if (!await delay(runtime, pause, confirmed.signal)) {
        return;
      }
      waited += pause;
      this.#options.send(kinds.handshake, this.#tag, third);
      session.ping();
    }
    await session.end(7, "The node did not answer the session's last handshake message.", false);
  }
}

/** What names a session at this end. @param {Bytes} node @param {Bytes} tag */
export const sessionName = (node, tag) => toHex(node) + toHex(tag);
