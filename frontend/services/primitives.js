// Cryptography, all of it WebCrypto's. HKDF is made of HMAC here: browsers differ in whether they import empty keys for it, and Noise asks for that.
import { concat, empty, fromHex, fromText } from "./bytes.js";

/** @typedef {import("./bytes.js").Bytes} Bytes */

const { subtle } = globalThis.crypto ?? {};

// RFC 8410: what PKCS #8 puts before a private key of 32 bytes.
const x25519Prefix = fromHex("302e020100300506032b656e04220420");
const ed25519Prefix = fromHex("302e020100300506032b657004220420");

/** @param {...Bytes} parts @returns {Promise<Bytes>} */
export const sha256 = async (...parts) => new Uint8Array(await subtle.digest("SHA-256", parts.length === 1 ? parts[0] : concat(...parts)));

/** @param {Bytes} key @param {Bytes} data @returns {Promise<Bytes>} */
async function hmac(key, data) {
  // An empty key is as one of zeros (RFC 2104), and not everywhere to be had.
  const imported = await subtle.importKey("raw", key.length > 0 ? key : new Uint8Array(32), { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  return new Uint8Array(await subtle.sign("HMAC", imported, data));
}

/** HKDF-SHA256 (RFC 5869). @param {Bytes} salt @param {Bytes} material @param {Bytes} info @param {number} length @returns {Promise<Bytes>} */
export async function hkdf(salt, material, info, length) {
  const key = await hmac(salt, material);
  let [block, output] = [empty, empty];
  for (let i = 1; output.length < length; i++) {
    block = await hmac(key, concat(block, info, Uint8Array.of(i)));
    output = concat(output, block);
  }
  return output.slice(0, length);
}

/** @param {string} info @param {Bytes} material */
export const derive = (info, material) => hkdf(empty, material, fromText(info), 32);

/** @param {Bytes} seed @returns {Promise<CryptoKey>} */
export const importX25519 = seed => subtle.importKey("pkcs8", concat(x25519Prefix, seed), { name: "X25519" }, false, ["deriveBits"]);

/** @param {Bytes} seed @returns {Promise<CryptoKey>} */
export const importEd25519 = seed => subtle.importKey("pkcs8", concat(ed25519Prefix, seed), { name: "Ed25519" }, false, ["sign"]);

/** @param {CryptoKey} key @returns {Promise<Bytes>} */
export const rawKey = async key => new Uint8Array(await subtle.exportKey("raw", key));

/** The X25519 agreement; null where it is all zeros, which fails a handshake. @param {CryptoKey} key @param {Bytes} remote @returns {Promise<Bytes | null>} */
export async function agree(key, remote) {
  try {
    const shared = new Uint8Array(await subtle.deriveBits({ name: "X25519", public: await subtle.importKey("raw", remote, { name: "X25519" }, false, []) }, key, 256));
    return shared.every(byte => byte === 0) ? null : shared;
  } catch {
    // Where the platform itself refuses such a point (RFC 7748, section 6.1).
    return null;
  }
}

/** AES-256-GCM under nonces that count: 4 zero bytes and 64 bits, big-endian. A counter is used once. */
export class Aead {
  #key;

  /** @param {CryptoKey} key */
  constructor(key) {
    this.#key = key;
  }

  /** @param {Bytes} raw 32 bytes */
  static async import(raw) {
    return new Aead(await subtle.importKey("raw", raw, "AES-GCM", false, ["encrypt", "decrypt"]));
  }

  /** @param {number | bigint} nonce @param {Bytes} associated @param {Bytes} plaintext @returns {Promise<Bytes>} */
  async seal(nonce, associated, plaintext) {
    return new Uint8Array(await subtle.encrypt({ name: "AES-GCM", iv: iv(nonce), additionalData: associated }, this.#key, plaintext));
  }

  /** Null where it doesn't authenticate. @param {number | bigint} nonce @param {Bytes} associated @param {Bytes} sealed @returns {Promise<Bytes | null>} */
  async open(nonce, associated, sealed) {
    if (sealed.length < 16) {
      return null;
    }
    try {
      return new Uint8Array(await subtle.decrypt({ name: "AES-GCM", iv: iv(nonce), additionalData: associated }, this.#key, sealed));
    } catch {
      // The one thing that decryption fails for.
      return null;
    }
  }
}

/** @param {number | bigint} nonce @returns {Bytes} */
function iv(nonce) {
  const bytes = new Uint8Array(12);
  new DataView(bytes.buffer).setBigUint64(4, BigInt(nonce));
  return bytes;
}
