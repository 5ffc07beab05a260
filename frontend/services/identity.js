// Who a node is: an Ed25519 key. The private half is made inside WebCrypto and never leaves it; IndexedDB keeps it as it is.
import { concat, fromBase32, fromText, toBase32 } from "./bytes.js";
import { rawKey } from "./primitives.js";

/** @typedef {import("./bytes.js").Bytes} Bytes */
/** What a signature is for; one made for one use counts for no other. @typedef {"link" | "session" | "record" | "flood" | "checkpoint" | "certificate" | "suspicion" | "leave"} Label */

export const nodeIdSize = 32;
export const signatureSize = 64;

// y of the points of low order (RFC 8032, 5.1), little-endian without the sign of x: keys with which anything can be made to verify.
const lowOrder = new Set([
  "0000000000000000000000000000000000000000000000000000000000000000",
  "0100000000000000000000000000000000000000000000000000000000000000",
  "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
  "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
  "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
]);

// Public keys that were imported, so that each is once; a network has a few hundred, and whatever sends us more pushes the oldest out.
const maxKnown = 4_096;
/** @type {Map<string, Promise<CryptoKey>>} */
const known = new Map();

/** The text of a NodeId. @param {Bytes} id */
export const nodeText = id => toBase32(id);

/** @param {string} text @returns {Bytes | null} */
export function nodeFromText(text) {
  const id = text.length === 52 ? fromBase32(text) : null;
  return id !== null && isNodeId(id) ? id : null;
}

/** In canonical encoding (y < 2^255 - 19) and not of low order. @param {Bytes} id */
export function isNodeId(id) {
  if (id.length !== nodeIdSize) {
    return false;
  }
  const y = Array.from(id);
  y[31] &= 0x7f;
  const isCanonical = y[31] !== 0x7f || y.slice(1, 31).some(byte => byte !== 0xff) || y[0] < 0xed;
  return isCanonical && !lowOrder.has(y.map(byte => byte.toString(16).padStart(2, "0")).join(""));
}

/** @param {Label} label @param {Bytes} content */
const labelled = (label, content) => concat(fromText(`dawn/1 ${label}`), Uint8Array.of(0), content);

/** @param {Bytes} id @param {Label} label @param {Bytes} content @param {Bytes} signature @returns {Promise<boolean>} */
export async function verify(id, label, content, signature) {
  if (signature.length !== signatureSize || !isNodeId(id)) {
    return false;
  }
  try {
    return await crypto.subtle.verify({ name: "Ed25519" }, await publicKey(id), signature, labelled(label, content));
  } catch {
    // No point of the curve, which only the import finds out.
    return false;
  }
}

/** @param {Bytes} id */
function publicKey(id) {
  const text = nodeText(id);
  let key = known.get(text);
  if (key === undefined) {
    if (known.size >= maxKnown) {
      known.delete(/** @type {string} */ (known.keys().next().value));
    }
    key = crypto.subtle.importKey("raw", id.slice(), { name: "Ed25519" }, false, ["verify"]);
    known.set(text, key);
  }
  return key;
}

export class Identity {
  #key;

  /** @param {Bytes} id @param {CryptoKey} key */
  constructor(id, key) {
    this.id = id;
    this.text = nodeText(id);
    this.#key = key;
  }

  /** The store's identity; a new one where it has none. @param {import("./store.js").Store} store */
  static async open(store) {
    /** @type {{ id: Bytes, key: CryptoKey } | undefined} */
    let kept = await store.get("identity");
    if (kept === undefined) {
      const pair = /** @type {CryptoKeyPair} */ (await crypto.subtle.generateKey({ name: "Ed25519" }, false, ["sign", "verify"]));
      kept = { id: await rawKey(pair.publicKey), key: pair.privateKey };
      await store.set("identity", kept);
    }
    return new Identity(kept.id, kept.key);
  }

  /** @param {Label} label @param {Bytes} content @returns {Promise<Bytes>} */
  async sign(label, content) {
    return new Uint8Array(await crypto.subtle.sign({ name: "Ed25519" }, this.#key, labelled(label, content)));
  }
}

