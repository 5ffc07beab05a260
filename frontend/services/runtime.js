// What comes from outside: time, timers, randomness. Tests give their own.

/** @typedef {import("./bytes.js").Bytes} Bytes */

/**
 * @typedef {object} Runtime
 * @property {() => number} now Unix milliseconds.
 * @property {() => number} ticks Milliseconds that never go backwards.
 * @property {(action: () => void, ms: number) => unknown} setTimer
 * @property {(timer: any) => void} clearTimer
 * @property {(count: number) => Bytes} random
 * @property {() => Promise<CryptoKeyPair>} ephemeral A fresh X25519 key.
 * @property {() => boolean} isThrottled True where timers come late, as in a page that nobody sees: what is due soon is then done at once.
 */

/** @type {Runtime} */
export const system = {
  now: () => Date.now(),
  ticks: () => performance.now(),
  setTimer: (action, ms) => setTimeout(action, ms),
  clearTimer: timer => clearTimeout(timer),
  random: count => crypto.getRandomValues(new Uint8Array(count)),
  ephemeral: async () => /** @type {CryptoKeyPair} */ (await crypto.subtle.generateKey({ name: "X25519" }, false, ["deriveBits"])),
  isThrottled: () => typeof document !== "undefined" && document.visibilityState === "hidden",
};

/** Waits; false where the signal came first. @param {Runtime} runtime @param {number} ms @param {AbortSignal} [signal] @returns {Promise<boolean>} */
export function delay(runtime, ms, signal) {
  return new Promise(resolve => {
    if (signal?.aborted) {
      resolve(false);
      return;
    }
    const onAbort = () => {
      runtime.clearTimer(timer);
      resolve(false);
    };
    const timer = runtime.setTimer(() => {
      signal?.removeEventListener("abort", onAbort);
      resolve(true);
    }, ms);
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}
