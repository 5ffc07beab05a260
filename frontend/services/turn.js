// One page at a time: two with one key would take each other's link away for ever. Web Locks tell which page of a browser has the turn.

const name = "dawn-node";

export class Turn {
  #locks;
  #release = () => {};
  #waiting = new AbortController();
  #requests = 0;
  /** Another page took the turn. */
  onLost = () => {};

  /** @param {LockManager | null} locks null where there is only one page */
  constructor(locks) {
    this.#locks = locks;
  }

  /** Takes the turn if it is free. @returns {Promise<boolean>} */
  take() {
    return this.#request({ ifAvailable: true });
  }

  /** Waits for the turn; false where it was given up. @returns {Promise<boolean>} */
  wait() {
    this.#waiting = new AbortController();
    // Without locks nobody says when the other page is gone.
    return this.#locks === null ? new Promise(() => {}) : this.#request({ signal: this.#waiting.signal });
  }

  /** Takes the turn from whoever has it. @returns {Promise<boolean>} */
  steal() {
    this.#waiting.abort();
    return this.#request({ steal: true });
  }

  release() {
    this.#waiting.abort();
    this.#release();
  }

  /** @param {LockOptions} options @returns {Promise<boolean>} */
  #request(options) {
    const locks = this.#locks;
    const number = ++this.#requests;
    return locks === null ? Promise.resolve(true) : new Promise(resolve => {
      let isHeld = false;
      locks.request(name, options, lock => {
        isHeld = lock !== null;
        resolve(isHeld);
        return isHeld ? new Promise(released => this.#release = () => released(undefined)) : undefined;
      }).catch(() => {
        // Given up while waiting, or stolen while held.
        resolve(false);
        if (isHeld && number === this.#requests) {
          this.onLost();
        }
      });
    });
  }
}
