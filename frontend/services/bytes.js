// Bytes and text: hexadecimal, base32, and the fields of docs/protocol.md. What comes from the network is read by Reader alone:
// it never reads beyond its end, and says once, at the end, whether everything was there.

/** @typedef {Uint8Array<ArrayBuffer>} Bytes */

const utf8 = new TextEncoder();
// Strict: what isn't UTF-8 is malformed, and a byte order mark is text like any other.
const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

const alphabet = "abcdefghijklmnopqrstuvwxyz234567"; // RFC 4648, section 6, in lower case

export const empty = new Uint8Array(0);

/** @param {string} text @returns {Bytes} */
export const fromText = text => utf8.encode(text);

/** @param {Bytes} bytes @throws {TypeError} where it is no UTF-8 */
export const toText = bytes => strict.decode(bytes);

/** @param {Bytes} bytes */
export const toHex = bytes => Array.from(bytes, byte => byte.toString(16).padStart(2, "0")).join("");

/** @param {string} text @returns {Bytes} */
export function fromHex(text) {
  if (text.length % 2 !== 0 || !/^[0-9a-f]*$/i.test(text)) {
    throw new TypeError("not hexadecimal");
  }
  return Uint8Array.from({ length: text.length / 2 }, (_, i) => parseInt(text.slice(2 * i, 2 * i + 2), 16));
}

/** RFC 4648 base32 in lower case, without padding. @param {Bytes} bytes */
export function toBase32(bytes) {
  let [text, held, bits] = ["", 0, 0];
  for (const byte of bytes) {
    held = ((held << 8) | byte) & 0xfff;
    for (bits += 8; bits >= 5; bits -= 5) {
      text += alphabet[(held >> (bits - 5)) & 31];
    }
  }
  return bits > 0 ? text + alphabet[(held << (5 - bits)) & 31] : text;
}

/** The inverse; null for what {@link toBase32} would not have written, but for its case. @param {string} text @returns {Bytes | null} */
export function fromBase32(text) {
  const bytes = new Uint8Array(Math.floor(text.length * 5 / 8));
  let [at, held, bits] = [0, 0, 0];
  for (const letter of text.toLowerCase()) {
    const value = alphabet.indexOf(letter);
    if (value < 0) {
      return null;
    }
    held = ((held << 5) | value) & 0xfff;
    bits += 5;
    if (bits >= 8) {
      bits -= 8;
      bytes[at++] = (held >> bits) & 0xff;
    }
  }
  return bits < 5 && (held & ((1 << bits) - 1)) === 0 ? bytes : null;
}

/** @param {...Bytes} parts @returns {Bytes} */
export function concat(...parts) {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** In the order of bytes, from the first. @param {Bytes} a @param {Bytes} b */
export function compare(a, b) {
  for (let i = 0; i < a.length && i < b.length; i++) {
    if (a[i] !== b[i]) {
      return a[i] - b[i];
    }
  }
  return a.length - b.length;
}

/** @param {Bytes} a @param {Bytes} b */
export const equal = (a, b) => a.length === b.length && compare(a, b) === 0;

/** @param {number | bigint} value @returns {Bytes} */
export function u64(value) {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(value));
  return bytes;
}

/** Writes fields one after the other. */
export class Writer {
  /** @type {Bytes[]} */
  #parts = [];

  /** @param {number} value */
  u8(value) {
    return this.bytes(Uint8Array.of(value));
  }

  /** @param {number} value */
  u16(value) {
    return this.bytes(Uint8Array.of(value >> 8, value));
  }

  /** @param {number} value */
  u32(value) {
    return this.bytes(Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value));
  }

  /** @param {number | bigint} value */
  u64(value) {
    return this.bytes(u64(value));
  }

  /** @param {Bytes} bytes */
  bytes(bytes) {
    this.#parts.push(bytes);
    return this;
  }

  /** @param {Bytes} bytes */
  block16(bytes) {
    return this.u16(bytes.length).bytes(bytes);
  }

  /** @param {string} text */
  text8(text) {
    const bytes = fromText(text);
    if (bytes.length > 255) {
      throw new RangeError("a text of more than 255 bytes");
    }
    return this.u8(bytes.length).bytes(bytes);
  }

  end() {
    return concat(...this.#parts);
  }
}

/** Reads fields one after the other. After the first that isn't there everything is zero or empty, and {@link failed} is true. */
export class Reader {
  #bytes;
  #at = 0;
  failed = false;

  /** @param {Bytes} bytes */
  constructor(bytes) {
    this.#bytes = bytes;
  }

  get remaining() {
    return this.failed ? 0 : this.#bytes.length - this.#at;
  }

  /** Where the next field begins. */
  get position() {
    return this.#at;
  }

  /** True where all fields were there, and nothing is behind them. */
  get complete() {
    return !this.failed && this.#at === this.#bytes.length;
  }

  fail() {
    this.failed = true;
  }

  u8() {
    return this.#number(1);
  }

  u16() {
    return this.#number(2);
  }

  u32() {
    return this.#number(4);
  }

  u64() {
    const bytes = this.bytes(8);
    return this.failed ? 0n : new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0);
  }

  /** A view, not a copy. @param {number} count @returns {Bytes} */
  bytes(count) {
    if (this.failed || count > this.#bytes.length - this.#at) {
      this.failed = true;
      return empty;
    }
    this.#at += count;
    return this.#bytes.subarray(this.#at - count, this.#at);
  }

  /** @param {number} [max] */
  block16(max = 0xffff) {
    const length = this.u16();
    if (length > max) {
      this.failed = true;
    }
    return this.bytes(length);
  }

  /** @param {number} [max] in bytes */
  text8(max = 255) {
    const length = this.u8();
    if (length > max) {
      this.failed = true;
    }
    try {
      return toText(this.bytes(length));
    } catch {
      // Not UTF-8, hence malformed.
      this.failed = true;
      return "";
    }
  }

  rest() {
    return this.bytes(this.remaining);
  }

  /** @param {number} size */
  #number(size) {
    let value = 0;
    for (const byte of this.bytes(size)) {
      value = value * 256 + byte;
    }
    return value;
  }
}
