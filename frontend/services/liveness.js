// Whether a session's other end is still there, and when to stop believing it (docs/protocol.md, "Session").

const tick = 1_000;
const progressTime = 30_000;
const stallTime = 2_000;
const idleTime = 600_000;
const silenceTime = 600_000;
const pingAfterSilence = 60_000;
const doubtTime = 3_000;

/** How a session ends. @typedef {{ code: number, text: string, tell: boolean }} End */

export class Liveness {
  #heardAt;
  #progressAt;
  #stalledAt;
  #idleSince;
  #pingAt;
  #doubtedAt = Infinity;
  #doubtPingAt = Infinity;
  #pathlessAt = Infinity;

  /** @param {number} now */
  constructor(now) {
    this.#heardAt = this.#progressAt = this.#stalledAt = this.#idleSince = now;
    this.#pingAt = now + pingAfterSilence;
  }

  get hasPath() {
    return this.#pathlessAt === Infinity;
  }

  /** @param {number} now */
  silence(now) {
    return now - this.#heardAt;
  }

  /** Something authentic came. @param {number} now */
  heard(now) {
    this.#heardAt = now;
    this.#pingAt = now + pingAfterSilence;
    this.#doubtedAt = this.#doubtPingAt = Infinity;
  }

  /** Something was acknowledged, or is outstanding from now on. @param {number} now */
  progress(now) {
    this.#progressAt = this.#stalledAt = now;
  }

  /** The last channel was closed. @param {number} now */
  idle(now) {
    this.#idleSince = now;
  }

  /** @param {boolean} has @param {number} now */
  path(has, now) {
    this.#pathlessAt = has ? Infinity : Math.min(this.#pathlessAt, now);
  }

  /** Somebody says that the other end doesn't know the session; true where that is news. @param {number} now */
  doubt(now) {
    if (this.#doubtedAt !== Infinity) {
      return false;
    }
    [this.#doubtedAt, this.#doubtPingAt] = [now, now + tick];
    return true;
  }

  /** False where a new channel had better not go. @param {number} now @param {boolean} isOutstanding @param {boolean} hasChannels */
  isHealthy(now, isOutstanding, hasChannels) {
    return this.#doubtedAt === Infinity && !(isOutstanding && now - this.#progressAt >= 3_000) && (hasChannels || now - this.#idleSince < idleTime - 60_000);
  }

  /** True where a ping is due. @param {number} now @param {boolean} hasChannels */
  takePing(now, hasChannels) {
    if (now >= this.#doubtPingAt) {
      this.#doubtPingAt = now + tick;
      return true;
    }
    if (now >= this.#pingAt && hasChannels) {
      this.#pingAt = now + pingAfterSilence;
      return true;
    }
    return false;
  }

  /** True, once in a while, where what is outstanding has not been acknowledged: another way may help. @param {number} now @param {boolean} isOutstanding */
  takeStall(now, isOutstanding) {
    if (!isOutstanding || now - this.#stalledAt < stallTime) {
      return false;
    }
    this.#stalledAt = now;
    return true;
  }

  /** How the session ends now, or null. @param {number} now @param {boolean} isOutstanding @param {boolean} hasChannels @returns {End | null} */
  verdict(now, isOutstanding, hasChannels) {
    return isOutstanding && now - this.#progressAt >= progressTime ? { code: 8, text: "Nothing was acknowledged for 30 s.", tell: false }
      : now - this.#pathlessAt >= progressTime ? { code: 8, text: "There was no path for 30 s.", tell: false }
      : now - this.#doubtedAt >= doubtTime ? { code: 8, text: "The other end no longer knows the session: it was restarted.", tell: false }
      : !hasChannels && now - this.#idleSince >= idleTime ? { code: 0, text: "", tell: true }
      : this.silence(now) >= silenceTime ? { code: 8, text: "Nothing was heard for ten minutes.", tell: false }
      : null;
  }
}
