// Nodes' signed statements about themselves (docs/protocol.md, "Node record").
import { Reader, Writer, concat, empty } from "./bytes.js";
import { certificateSize, readCertificate } from "./certificate.js";
import { nodeIdSize, nodeText, signatureSize, verify } from "./identity.js";
import { sha256 } from "./primitives.js";

/** @typedef {import("./bytes.js").Bytes} Bytes */
/** @typedef {{ id: string, title: string, tools: string[] }} AgentCard */

/**
 * @typedef {object} NodeRecord
 * @property {Bytes} node
 * @property {string} text The NodeId as text.
 * @property {bigint} sequence
 * @property {number} notAfter Unix milliseconds.
 * @property {import("./certificate.js").Role} role
 * @property {"required" | "optional" | "off"} encryption
 * @property {string[]} addresses
 * @property {boolean} isRelay
 * @property {string[]} relays
 * @property {AgentCard[]} agents
 * @property {Bytes} hash
 */

export const maxRecord = 32 * 1024;
const maxLifetime = 24 * 3_600_000;
const maxAhead = 600_000;
const maxAddresses = 8;
const maxRelays = 8;
const maxAgents = 128;
const maxTools = 256;
const maxText = 128;
const version = 1;
const encryptions = /** @type {const} */ (["required", "optional", "off"]);

/** Whose record this claims to be, and which; nothing of it is verified. @param {Bytes} encoded */
export function peekRecord(encoded) {
  const reader = new Reader(encoded);
  const [v, node, sequence] = [reader.u8(), reader.bytes(nodeIdSize), reader.u64()];
  return !reader.failed && v === version && encoded.length <= maxRecord ? { node, text: nodeText(node), sequence } : null;
}

/** Null where it doesn't count. @param {Bytes} encoded @param {Bytes} network @param {number} now @returns {Promise<NodeRecord | null>} */
export async function readRecord(encoded, network, now) {
  if (encoded.length > maxRecord || encoded.length < 1 + nodeIdSize + signatureSize || encoded[0] !== version) {
    return null;
  }
  const signed = encoded.subarray(0, encoded.length - signatureSize);
  const reader = new Reader(signed);
  reader.u8();
  const node = reader.bytes(nodeIdSize).slice();
  if (!await verify(node, "record", signed, encoded.subarray(signed.length))) {
    return null;
  }
  const [sequence, issued, notAfter, encryption] = [reader.u64(), Number(reader.u64()), Number(reader.u64()), encryptions[reader.u8()]];
  const certificate = await readCertificate(reader.block16(certificateSize), network, node, now);
  const addresses = list(reader, reader.u8(), maxAddresses, () => reader.text8());
  const isRelay = (reader.u8() & 1) !== 0;
  const relays = list(reader, reader.u8(), maxRelays, () => nodeText(reader.bytes(nodeIdSize)));
  const agents = list(reader, reader.u8(), maxAgents, () => readAgent(reader));
  const isTimely = notAfter > now && notAfter - issued <= maxLifetime && issued <= now + maxAhead && sequence <= BigInt(now + maxAhead);
  if (!reader.complete || certificate === null || encryption === undefined || !isTimely || notAfter > certificate.notAfter || new Set(agents.map(agent => agent.id)).size < agents.length) {
    return null;
  }
  return { node, text: nodeText(node), sequence, notAfter, role: certificate.role, encryption, addresses, isRelay, relays, agents, hash: await sha256(encoded) };
}

/** @param {Reader} reader @returns {AgentCard} */
function readAgent(reader) {
  const [id, title] = [reader.text8(), reader.text8(maxText)];
  reader.bytes(32); // a digest, which tells only that something changed
  const tools = list(reader, reader.u16(), maxTools, () => reader.text8(maxText));
  if (!isAgentId(id)) {
    reader.fail();
  }
  return { id, title, tools };
}

/** @template T @param {Reader} reader @param {number} count @param {number} max @param {() => T} read @returns {T[]} */
function list(reader, count, max, read) {
  const items = [];
  if (count > max) {
    reader.fail();
  }
  for (let i = 0; i < count && !reader.failed; i++) {
    items.push(read());
  }
  return items;
}

/** @param {string} text */
export const isAgentId = text => /^[a-z0-9][a-z0-9-]{0,62}$/.test(text);

/**
 * A light node's own: it hosts nothing, and says over whom it can be reached.
 * @param {import("./identity.js").Identity} identity
 * @param {{ sequence: number, issued: number, notAfter: number, certificate: Bytes, relays: Bytes[] }} facts
 */
export async function writeRecord(identity, { sequence, issued, notAfter, certificate, relays }) {
  const body = new Writer().u8(version).bytes(identity.id).u64(sequence).u64(issued).u64(notAfter).u8(0).block16(certificate)
    .u8(0).u8(0).u8(relays.length).bytes(concat(empty, ...relays)).u8(0).end();
  return concat(body, await identity.sign("record", body));
}
