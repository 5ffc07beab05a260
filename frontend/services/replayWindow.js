/** Which nonces of a direction were taken: all below a moving window count as taken (RFC 6479). */
export class ReplayWindow {
  static size = 16_384;

  // One block more than the window, which is cleared as the window moves on.
  #bits = new Uint32Array(ReplayWindow.size / 32 + 1);
  #top = -1;

  /** @param {number} nonce */
  isFresh(nonce) {
    return nonce > this.#top || (nonce > this.#top - ReplayWindow.size && (this.#bits[this.#block(nonce)] & this.#bit(nonce)) === 0);
  }

  /** After it has authenticated. @param {number} nonce */
  take(nonce) {
    if (nonce > this.#top) {
      const [from, to] = [Math.floor(this.#top / 32), Math.floor(nonce / 32)];
      for (let block = Math.max(from, to - this.#bits.length) + 1; block <= to; block++) {
        this.#bits[block % this.#bits.length] = 0;
      }
      this.#top = nonce;
    }
    this.#bits[this.#block(nonce)] |= this.#bit(nonce);
  }

  /** @param {number} nonce */
  #block(nonce) {
    return Math.floor(nonce / 32) % this.#bits.length;
  }

  /** @param {number} nonce */
  #bit(nonce) {
    return 1 << (nonce % 32);
  }
}
