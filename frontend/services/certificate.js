// Proof of membership (docs/protocol.md, "Identities, signatures, keys").
import { Reader, equal } from "./bytes.js";
import { nodeIdSize, signatureSize, verify } from "./identity.js";

/** @typedef {import("./bytes.js").Bytes} Bytes */
/** @typedef {"member" | "guest" | "browser"} Role */
/** @typedef {{ encoded: Bytes, role: Role, node: Bytes, notAfter: number }} Certificate `notAfter` in Unix milliseconds. */

export const certificateSize = 122;

/** @type {readonly (Role | undefined)[]} */
const roles = [undefined, "member", "guest", "browser"];

/** @param {number} value @returns {Role | undefined} */
export const roleOf = value => roles[value];

/**
 * Reads a certificate and checks all of it; null where it doesn't hold.
 * @param {Bytes} encoded @param {Bytes} network its public key @param {Bytes} node whoever shows it @param {number} now Unix milliseconds
 * @returns {Promise<Certificate | null>}
 */
export async function readCertificate(encoded, network, node, now) {
  const certificate = parse(encoded);
  if (certificate === null || !equal(certificate.node, node) || certificate.notAfter <= now) {
    return null;
  }
  const signed = encoded.length - signatureSize;
  return await verify(network, "certificate", encoded.subarray(0, signed), encoded.subarray(signed)) ? certificate : null;
}

/** @param {Bytes} encoded @returns {Certificate | null} */
function parse(encoded) {
  const reader = new Reader(encoded);
  const [version, role] = [reader.u8(), roleOf(reader.u8())];
  reader.bytes(16); // the serial, which is for revocation
  const [notAfter, node] = [reader.u64(), reader.bytes(nodeIdSize)];
  reader.bytes(signatureSize);
  return reader.complete && version === 1 && role !== undefined
    ? { encoded: encoded.slice(), role, node: node.slice(), notAfter: Math.min(Number(notAfter), 8.64e12) * 1000 }
    : null;
}
