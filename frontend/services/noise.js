// Noise_XXpsk0+psk3_25519_AESGCM_SHA256 (Noise, revision 34), for links, sessions and their rekeying alike.
import { concat, empty, fromText } from "./bytes.js";
import { Aead, agree, hkdf, rawKey, sha256 } from "./primitives.js";

/** @typedef {import("./bytes.js").Bytes} Bytes */
/** @typedef {"initiator" | "responder"} Side */

const name = fromText("Noise_XXpsk0+psk3_25519_AESGCM_SHA256");
const keySize = 32;
const tagSize = 16;

/** A message that doesn't hold: of a wrong length, under another PSK, altered. */
export class NoiseError extends Error {}

/** The tokens of the three messages. @type {readonly (readonly ("psk" | "e" | "s" | "ee" | "es" | "se")[])[]} */
const pattern = [["psk", "e"], ["e", "ee", "s", "es"], ["s", "se", "psk"]];

/** @typedef {{ send: Bytes, receive: Bytes, secret: Bytes, hash: Bytes }} Split `secret` is the third output, for the salts of checkpoints. */

export class Handshake {
  #side;
  #static;
  #psk;
  /** @type {CryptoKeyPair | undefined} */
  #ephemeral;
  /** @type {{ e: Bytes, s: Bytes }} */
  #remote = { e: empty, s: empty };
  #h = empty;
  #ck = empty;
  /** @type {Aead | undefined} */
  #key;
  #nonce = 0;
  #turn = 0;

  /** @param {Side} side @param {CryptoKeyPair} staticKey @param {CryptoKeyPair} ephemeral @param {Bytes} psk */
  constructor(side, staticKey, ephemeral, psk) {
    this.#side = side;
    this.#static = staticKey;
    this.#ephemeral = ephemeral;
    this.#psk = psk;
  }

  /** @param {Side} side @param {CryptoKeyPair} staticKey @param {CryptoKeyPair} ephemeral @param {Bytes} psk @param {Bytes} prologue */
  static async begin(side, staticKey, ephemeral, psk, prologue) {
    const handshake = new Handshake(side, staticKey, ephemeral, psk);
    // The name is longer than a hash, so it is hashed (section 5.2).
    handshake.#h = handshake.#ck = await sha256(name);
    await handshake.#mixHash(prologue);
    return handshake;
  }

  /** The hash of all that was said, as it is now. */
  get hash() {
    return this.#h;
  }

  /**
   * Writes the next message.
   * @param {(hash: Bytes) => Promise<Bytes>} payload gets the hash that its proof signs
   * @returns {Promise<Bytes>}
   */
  async write(payload) {
    const parts = [];
    for (const token of pattern[this.#turn++]) {
      if (token === "e") {
        const e = await rawKey(/** @type {CryptoKeyPair} */ (this.#ephemeral).publicKey);
        parts.push(e);
        await this.#mixHash(e);
        await this.#mixKey(e); // since there are PSKs (section 9.2)
      } else if (token === "s") {
        parts.push(await this.#seal(await rawKey(this.#static.publicKey)));
      } else {
        await this.#mix(token);
      }
    }
    parts.push(await this.#seal(await payload(this.#h)));
    return concat(...parts);
  }

  /**
   * Reads the next message. One that doesn't hold leaves everything as it was, so that a forged one can be ignored.
   * @param {Bytes} message
   * @returns {Promise<{ payload: Bytes, hash: Bytes }>} the hash that its proof signs
   * @throws {NoiseError}
   */
  async read(message) {
    const before = /** @type {const} */ ([this.#h, this.#ck, this.#key, this.#nonce, this.#turn, this.#remote]);
    this.#remote = { ...this.#remote };
    try {
      let at = 0;
      /** @param {number} count */
      const take = count => {
        if (message.length - at < count) {
          throw new NoiseError("a handshake message that is too short");
        }
        at += count;
        return message.slice(at - count, at);
      };
      for (const token of pattern[this.#turn++]) {
        if (token === "e") {
          const e = this.#remote.e = take(keySize);
          await this.#mixHash(e);
          await this.#mixKey(e);
        } else if (token === "s") {
          this.#remote.s = await this.#open(take(keySize + tagSize));
        } else {
          await this.#mix(token);
        }
      }
      const hash = this.#h;
      return { payload: await this.#open(take(message.length - at)), hash };
    } catch (error) {
      [this.#h, this.#ck, this.#key, this.#nonce, this.#turn, this.#remote] = before;
      throw error;
    }
  }

  /** The keys, once all three messages are through. @returns {Promise<Split>} */
  async split() {
    const [first, second, secret] = await this.#derive(empty, 3);
    [this.#ck, this.#key, this.#ephemeral] = [empty, undefined, undefined];
    const isInitiator = this.#side === "initiator";
    return { send: isInitiator ? first : second, receive: isInitiator ? second : first, secret, hash: this.#h };
  }

  /** @param {"psk" | "ee" | "es" | "se"} token */
  async #mix(token) {
    if (token === "psk") {
      // MixKeyAndHash (section 5.2).
      const [ck, hash, key] = await this.#derive(this.#psk, 3);
      this.#ck = ck;
      await this.#mixHash(hash);
      await this.#use(key);
      return;
    }
    const isInitiator = this.#side === "initiator";
    // The first letter is the initiator's key.
    const [ours, theirs] = isInitiator ? [token[0], token[1]] : [token[1], token[0]];
    const pair = ours === "e" ? /** @type {CryptoKeyPair} */ (this.#ephemeral) : this.#static;
    const shared = await agree(pair.privateKey, theirs === "e" ? this.#remote.e : this.#remote.s);
    if (shared === null) {
      throw new NoiseError("a key exchange whose result is zero");
    }
    await this.#mixKey(shared);
  }

  /** @param {Bytes} material */
  async #mixKey(material) {
    const [ck, key] = await this.#derive(material, 2);
    this.#ck = ck;
    await this.#use(key);
  }

  /** @param {Bytes} data */
  async #mixHash(data) {
    this.#h = await sha256(this.#h, data);
  }

  /** @param {Bytes} key */
  async #use(key) {
    [this.#key, this.#nonce] = [await Aead.import(key), 0];
  }

  /** @param {Bytes} material @param {number} count @returns {Promise<Bytes[]>} */
  async #derive(material, count) {
    const output = await hkdf(this.#ck, material, empty, count * keySize);
    return Array.from({ length: count }, (_, i) => output.slice(i * keySize, (i + 1) * keySize));
  }

  /** @param {Bytes} plaintext */
  async #seal(plaintext) {
    const sealed = await /** @type {Aead} */ (this.#key).seal(this.#nonce++, this.#h, plaintext);
    await this.#mixHash(sealed);
    return sealed;
  }

  /** @param {Bytes} sealed */
  async #open(sealed) {
    const plaintext = await /** @type {Aead} */ (this.#key).open(this.#nonce++, this.#h, sealed);
    if (plaintext === null) {
      throw new NoiseError("a handshake message that does not open");
    }
    await this.#mixHash(sealed);
    return plaintext;
  }
}
