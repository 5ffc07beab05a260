// A handshake whose messages 2 and 3 prove who is there: NodeId, signature, certificate (docs/protocol.md, "Handshake").
import { Reader, Writer, concat, empty, equal } from "./bytes.js";
import { certificateSize, readCertificate } from "./certificate.js";
import { DawnError } from "./errors.js";
import { isNodeId, nodeIdSize, signatureSize, verify } from "./identity.js";
import { Handshake } from "./noise.js";

/** @typedef {import("./bytes.js").Bytes} Bytes */
/** @typedef {{ node: Bytes, certificate: import("./certificate.js").Certificate | null }} Remote */

// A clear link or session is never wanted here.
export const required = 0;
export const off = 2;
export const maxMessage = 1_024;

/**
 * What all handshakes of a node share.
 * @typedef {object} Credentials
 * @property {import("./identity.js").Identity} identity
 * @property {CryptoKeyPair} staticKey X25519, of this run.
 * @property {Bytes} psk
 * @property {Bytes | null} network The network's public key; null for a newcomer, who doesn't know it yet.
 * @property {Bytes} certificate Encoded; empty for a newcomer.
 * @property {import("./runtime.js").Runtime} runtime
 */

/** The initiator's half, which is the only one that a light node needs. */
export class ProvenHandshake {
  #noise;
  #credentials;
  #label;
  #expected;
  /** @type {Remote | null} */
  remote = null;

  /** @param {Handshake} noise @param {Credentials} credentials @param {"link" | "session"} label @param {Bytes | null} expected */
  constructor(noise, credentials, label, expected) {
    this.#noise = noise;
    this.#credentials = credentials;
    this.#label = label;
    this.#expected = expected;
  }

  /**
   * @param {Credentials} credentials @param {"link" | "session"} label @param {Bytes} prologue
   * @param {Bytes | null} expected who must answer; null takes any member
   */
  static async begin(credentials, label, prologue, expected) {
    const { staticKey, psk, runtime } = credentials;
    return new ProvenHandshake(await Handshake.begin("initiator", staticKey, await runtime.ephemeral(), psk, prologue), credentials, label, expected);
  }

  /** Message 1. */
  first() {
    return this.#noise.write(async () => empty);
  }

  /** Takes message 2. @param {Bytes} message @throws {DawnError | import("./noise.js").NoiseError} */
  async second(message) {
    const { payload, hash } = await this.#noise.read(message);
    this.remote = await readProof(payload, hash, "responder", this.#label, this.#credentials, this.#expected);
  }

  /** Message 3. */
  third() {
    return this.#noise.write(hash => writeProof(hash, "initiator", this.#label, this.#credentials));
  }

  split() {
    return this.#noise.split();
  }
}

/** @param {import("./noise.js").Side} side */
const roleByte = side => Uint8Array.of(side === "initiator" ? 1 : 2);

/** @param {Bytes} hash @param {import("./noise.js").Side} side @param {"link" | "session"} label @param {Credentials} credentials */
export async function writeProof(hash, side, label, { identity, certificate }) {
  const signature = await identity.sign(label, concat(roleByte(side), hash));
  return new Writer().u8(1).u8(required).bytes(identity.id).bytes(signature).block16(certificate).block16(empty).end();
}

/**
 * @param {Bytes} payload @param {Bytes} hash @param {import("./noise.js").Side} side whose proof it is @param {"link" | "session"} label
 * @param {Credentials} credentials @param {Bytes | null} expected
 * @returns {Promise<Remote>}
 */
export async function readProof(payload, hash, side, label, { identity, network, runtime }, expected) {
  const reader = new Reader(payload);
  const [version, offer, node, signature, encoded] = [reader.u8(), reader.u8(), reader.bytes(nodeIdSize), reader.bytes(signatureSize), reader.block16(certificateSize)];
  reader.block16(256);
  if (!reader.complete || version !== 1 || offer > off || !isNodeId(node) || equal(node, identity.id)) {
    throw new DawnError("protocol", "The other end's proof is malformed.");
  }
  if (offer === off) {
    throw new DawnError("encryption", "The other end has encryption turned off, and a page never speaks in the clear: set Dawn:Security:Encryption to Optional or Required there.");
  }
  if (expected !== null && !equal(node, expected)) {
    throw new DawnError("wrong-node", "Another node answers than the one that was meant.");
  }
  if (!await verify(node, label, concat(roleByte(side), hash), signature)) {
    throw new DawnError("protocol", "The other end's proof is not signed by its node.");
  }
  const certificate = network === null ? null : await readCertificate(encoded, network, node, runtime.now());
  if (network !== null && certificate === null) {
    throw new DawnError("wrong-network", "The other end's certificate is not of this network, or has expired.");
  }
  return { node: node.slice(), certificate };
}
