// What sessions say inside the seal (docs/protocol.md, "Segment").
import { Reader, Writer, concat, empty, u64 } from "./bytes.js";

/** @typedef {import("./bytes.js").Bytes} Bytes */

export const types = Object.freeze({
  padding: 0x00, ack: 0x01, ping: 0x02, pong: 0x03, goodbye: 0x04,
  open: 0x10, accept: 0x11, data: 0x12, close: 0x13, window: 0x14, checkpoint: 0x15, rekey: 0x16,
});

export const maxPlaintext = 16_384;
export const maxRanges = 32;
export const dataOverhead = 16;
export const checkpointSize = 90;

/** The first of the sequenced types. */
const sequenced = 0x10;

/**
 * @typedef {{ type: number, sequence: number, channel: number, window: number, code: number, endsMessage: boolean, text: string, caller: string, body: Bytes, ranges: { first: number, length: number }[], encoded: Bytes }} Frame
 */

/** @param {Frame} frame */
export const isSequenced = frame => frame.type >= sequenced;

/** Puts the sequence into a frame, which it gets when it is first sent. @param {Bytes} frame @param {number} sequence */
export function number(frame, sequence) {
  frame.set(u64(sequence), 1);
  return frame;
}

const unnumbered = 0;

/** @param {number} next @param {{ first: number, length: number }[]} ranges */
export function ack(next, ranges) {
  const writer = new Writer().u8(types.ack).u64(next).u8(ranges.length);
  ranges.forEach(range => writer.u64(range.first).u32(range.length));
  return writer.end();
}

/** @param {Bytes} value */
export const ping = value => concat(Uint8Array.of(types.ping), value);

/** @param {Bytes} value */
export const pong = value => concat(Uint8Array.of(types.pong), value);

/** @param {number} code @param {string} reason */
export const goodbye = (code, reason) => new Writer().u8(types.goodbye).u16(code).text8(reason).end();

/** @param {number} channel @param {number} window @param {string} agent @param {string} caller */
export const open = (channel, window, agent, caller) => new Writer().u8(types.open).u64(unnumbered).u32(channel).u32(window).text8(agent).text8(caller).end();

/** @param {number} channel @param {number} window */
export const accept = (channel, window) => new Writer().u8(types.accept).u64(unnumbered).u32(channel).u32(window).end();

/** @param {number} channel @param {boolean} endsMessage @param {Bytes} bytes */
export const data = (channel, endsMessage, bytes) => new Writer().u8(types.data).u64(unnumbered).u32(channel).u8(endsMessage ? 1 : 0).block16(bytes).end();

/** @param {number} channel @param {number} code @param {string} reason */
export const close = (channel, code, reason) => new Writer().u8(types.close).u64(unnumbered).u32(channel).u16(code).text8(reason).end();

/** @param {number} channel @param {number} total */
export const window = (channel, total) => new Writer().u8(types.window).u64(unnumbered).u32(channel).u64(total).end();

/** @param {Bytes} body */
export const checkpoint = body => new Writer().u8(types.checkpoint).u64(unnumbered).block16(body).end();

/** @param {number} step @param {Bytes} message */
export const rekey = (step, message) => new Writer().u8(types.rekey).u64(unnumbered).block16(concat(Uint8Array.of(step), message)).end();

/** All frames of a segment; null where one is malformed. What follows a goodbye or padding is ignored. @param {Bytes} plaintext @returns {Frame[] | null} */
export function readFrames(plaintext) {
  const reader = new Reader(plaintext);
  const frames = [];
  while (reader.remaining > 0) {
    const frame = readFrame(reader, plaintext);
    if (frame === null) {
      return null;
    }
    frames.push(frame);
    if (frame.type === types.goodbye) {
      break;
    }
  }
  return frames;
}

/** @param {Reader} reader @param {Bytes} plaintext @returns {Frame | null} */
function readFrame(reader, plaintext) {
  const at = reader.position;
  /** @type {Frame} */
  const frame = { type: reader.u8(), sequence: 0, channel: 0, window: 0, code: 0, endsMessage: false, text: "", caller: "", body: empty, ranges: [], encoded: empty };
  if (frame.type >= sequenced) {
    frame.sequence = Number(reader.u64());
  }
  switch (frame.type) {
    case types.padding:
      reader.rest();
      break;
    case types.ack: {
      frame.sequence = Number(reader.u64());
      const count = reader.u8();
      let end = frame.sequence;
      for (let i = 0; i < count && !reader.failed; i++) {
        const range = { first: Number(reader.u64()), length: reader.u32() };
        if (range.first <= end || range.length === 0) {
          reader.fail();
        }
        end = range.first + range.length;
        frame.ranges.push(range);
      }
      if (count > maxRanges) {
        reader.fail();
      }
      break;
    }
    case types.ping:
    case types.pong:
      frame.body = reader.bytes(8);
      break;
    case types.goodbye:
      [frame.code, frame.text] = [reader.u16(), reader.text8()];
      break;
    case types.open:
      [frame.channel, frame.window, frame.text, frame.caller] = [reader.u32(), reader.u32(), reader.text8(), reader.text8()];
      break;
    case types.accept:
      [frame.channel, frame.window] = [reader.u32(), reader.u32()];
      break;
    case types.data: {
      frame.channel = reader.u32();
      const flags = reader.u8();
      if (flags > 1) {
        reader.fail();
      }
      [frame.endsMessage, frame.body] = [flags === 1, reader.block16()];
      break;
    }
    case types.close:
      [frame.channel, frame.code, frame.text] = [reader.u32(), reader.u16(), reader.text8()];
      break;
    case types.window:
      [frame.channel, frame.window] = [reader.u32(), Number(reader.u64())];
      break;
    case types.checkpoint:
    case types.rekey:
      frame.body = reader.block16();
      break;
    default:
      reader.fail();
  }
  frame.encoded = plaintext.subarray(at, reader.position);
  return reader.failed ? null : frame;
}
