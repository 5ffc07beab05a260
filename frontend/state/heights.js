// Heights of rows that are mostly not there: a Fenwick tree, so that the row at a position and the position of a row cost the logarithm of their number.

export class Heights {
  #sums = new Float64Array(1025);
  #heights = new Float64Array(1024);
  #count = 0;

  get count() {
    return this.#count;
  }

  get total() {
    return this.offset(this.#count);
  }

  /** Begins anew. @param {number} count @param {(index: number) => number} height */
  reset(count, height) {
    const size = Math.max(1024, 2 ** Math.ceil(Math.log2(count + 1)));
    [this.#sums, this.#heights, this.#count] = [new Float64Array(size + 1), new Float64Array(size), count];
    for (let index = 0; index < count; index++) {
      this.#heights[index] = height(index);
      this.#sums[index + 1] += this.#heights[index];
      const above = index + 1 + ((index + 1) & -(index + 1));
      if (above < this.#sums.length) {
        this.#sums[above] += this.#sums[index + 1];
      }
    }
    // What lies behind the last row still has to be summed, for rows that are added.
    for (let at = count + 1; at < this.#sums.length; at++) {
      const above = at + (at & -at);
      if (above < this.#sums.length) {
        this.#sums[above] += this.#sums[at];
      }
    }
  }

  /** @param {number} height */
  push(height) {
    if (this.#count === this.#heights.length) {
      const old = this.#heights;
      // Room for twice as many: the rows behind the last have no height yet.
      this.reset(2 * this.#count, index => index < old.length ? old[index] : 0);
      this.#count = old.length;
    }
    this.set(this.#count++, height);
  }

  /** @param {number} index */
  get(index) {
    return this.#heights[index];
  }

  /** @param {number} index @param {number} height */
  set(index, height) {
    const change = height - this.#heights[index];
    this.#heights[index] = height;
    for (let at = index + 1; at < this.#sums.length && change !== 0; at += at & -at) {
      this.#sums[at] += change;
    }
  }

  /** Where a row begins. @param {number} index */
  offset(index) {
    let sum = 0;
    for (let at = index; at > 0; at -= at & -at) {
      sum += this.#sums[at];
    }
    return sum;
  }

  /** The row at a position, the first or the last where it lies outside. @param {number} position */
  find(position) {
    let [at, rest] = [0, Math.max(0, position)];
    for (let step = 2 ** Math.floor(Math.log2(this.#sums.length - 1)); step > 0; step >>= 1) {
      if (at + step < this.#sums.length && this.#sums[at + step] <= rest) {
        at += step;
        rest -= this.#sums[at];
      }
    }
    return Math.max(0, Math.min(at, this.#count - 1));
  }
}
