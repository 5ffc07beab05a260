// A value that tells who listens when it becomes another.

/** @template T */
export class Signal {
  #value;
  /** @type {Set<(value: T) => void>} */
  #listeners = new Set();

  /** @param {T} value */
  constructor(value) {
    this.#value = value;
  }

  get value() {
    return this.#value;
  }

  set value(value) {
    if (!Object.is(value, this.#value)) {
      this.#value = value;
      for (const listener of [...this.#listeners]) {
        listener(value);
      }
    }
  }

  /**
   * Calls the listener now and at each change, until the signal is aborted.
   * @param {(value: T) => void} listener @param {AbortSignal} [until]
   */
  follow(listener, until) {
    if (until?.aborted) {
      return;
    }
    this.#listeners.add(listener);
    until?.addEventListener("abort", () => this.#listeners.delete(listener), { once: true });
    listener(this.#value);
  }
}
