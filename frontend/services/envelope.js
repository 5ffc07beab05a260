// What links carry and routing looks at: a clear header and a payload (docs/protocol.md, "Envelope").
import { Reader, Writer, concat } from "./bytes.js";
import { nodeIdSize } from "./identity.js";

/** @typedef {import("./bytes.js").Bytes} Bytes */
/** @typedef {{ kind: number, hops: number, id: bigint, source: Bytes, target: Bytes, tag: Bytes, payload: Bytes }} Envelope */

export const kinds = Object.freeze({ handshake: 1, segment: 2, undeliverable: 3, seek: 4, found: 5 });
export const undeliverable = Object.freeze({ noRoute: 1, limit: 2, noSession: 3 });

export const headerSize = 88;
export const maxPayload = 17_408;
export const tagSize = 8;
const version = 1;
const hops = 16;

/** @param {number} kind @param {bigint} id @param {Bytes} source @param {Bytes} target @param {Bytes} tag @param {Bytes} payload */
export const writeEnvelope = (kind, id, source, target, tag, payload) =>
  concat(new Writer().u8(version).u8(kind).u8(0).u8(hops).u64(id).bytes(source).bytes(target).bytes(tag).u32(payload.length).end(), payload);

/** Null for what is malformed. @param {Bytes} bytes @returns {Envelope | null} */
export function readEnvelope(bytes) {
  const reader = new Reader(bytes);
  const [v, kind, , hopLimit, id] = [reader.u8(), reader.u8(), reader.u8(), reader.u8(), reader.u64()];
  const [source, target, tag, length] = [reader.bytes(nodeIdSize), reader.bytes(nodeIdSize), reader.bytes(tagSize), reader.u32()];
  const payload = reader.bytes(length);
  return reader.complete && v === version && length <= maxPayload ? { kind, hops: hopLimit, id, source, target, tag, payload } : null;
}
