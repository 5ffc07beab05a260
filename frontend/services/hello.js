// From a bare connection to a proven neighbour: hellos, then the handshake (docs/protocol.md, "Hello" and "Handshake").
import { Reader, Writer, concat, empty, fromText } from "./bytes.js";
import { DawnError } from "./errors.js";
import { NoiseError } from "./noise.js";
import { ProvenHandshake, maxMessage, off, required } from "./proof.js";
import { ticketIdSize } from "./ticket.js";

/** @typedef {import("./bytes.js").Bytes} Bytes */

const headSize = 8;
const randomSize = 32;
const maxExtensions = 472;
const magic = fromText("DAWN");
const version = 1;
const ticketExtension = 1;

/** @param {Bytes} random 32 bytes @param {Bytes | null} ticketId */
export function writeHello(random, ticketId) {
  const extensions = ticketId === null ? empty : new Writer().u8(ticketExtension).block16(ticketId.subarray(0, ticketIdSize)).end();
  return new Writer().bytes(magic).u8(version).u8(required).u16(extensions.length).bytes(random).bytes(extensions).end();
}

/** How many bytes follow the first eight; null where it is no hello. @param {Bytes} head */
function restOf(head) {
  const reader = new Reader(head);
  const isMagic = reader.bytes(4).every((byte, i) => byte === magic[i]);
  const [v, offer, length] = [reader.u8(), reader.u8(), reader.u16()];
  return isMagic && reader.complete && v === version && offer <= off && length <= maxExtensions ? randomSize + length : null;
}

/** The whole of a listener's hello and what it offers; null where its extensions don't fill their length. @param {Bytes} head @param {Bytes} rest */
function readHello(head, rest) {
  const reader = new Reader(rest.subarray(randomSize));
  while (reader.remaining > 0) {
    reader.u8(); // of whatever type: a listener's extensions say nothing to a dialer
    reader.block16();
  }
  return reader.complete ? { encoded: concat(head, rest), offer: head[5] } : null;
}

/** @param {Bytes} body */
const block = body => new Writer().block16(body).end();

/**
 * @param {import("./stream.js").ByteStream} stream @param {import("./proof.js").Credentials} credentials
 * @param {Bytes | null} ticketId for a newcomer @param {Bytes | null} expected who must answer
 * @returns {Promise<{ remote: import("./proof.js").Remote, keys: import("./noise.js").Split }>}
 */
export async function shakeHands(stream, credentials, ticketId, expected) {
  const ours = writeHello(credentials.runtime.random(randomSize), ticketId);
  stream.write(ours);
  const theirs = await hearHello(stream);
  if (theirs.offer === off && ticketId === null) {
    throw new DawnError("encryption", "The node has encryption turned off, and a page never speaks in the clear: set Dawn:Security:Encryption to Optional or Required there.");
  }
  const isTicket = ticketId !== null;
  const code = isTicket ? "ticket-spent" : "wrong-network";
  try {
    const handshake = await ProvenHandshake.begin(credentials, "link", concat(ours, theirs.encoded), expected);
    stream.write(block(await handshake.first()));
    const length = await stream.read(2);
    const size = length === null ? 0 : length[0] * 256 + length[1];
    const message = size === 0 || size > maxMessage ? null : await stream.read(size);
    if (message === null) {
      // Silence is all that a node has for whoever doesn't hold the key.
      throw new DawnError(code, isTicket ? "The ticket was used before, or has expired; ask for a new one." : "The node that serves this page belongs to another network.");
    }
    await handshake.second(message);
    stream.write(block(await handshake.third()));
    return { remote: /** @type {import("./proof.js").Remote} */ (handshake.remote), keys: await handshake.split() };
  } catch (error) {
    throw error instanceof NoiseError ? new DawnError(code, "The node's handshake does not open under the key of this page.", { cause: error }) : error;
  }
}

/** @param {import("./stream.js").ByteStream} stream */
async function hearHello(stream) {
  const head = await stream.read(headSize);
  if (head === null) {
    throw new DawnError("no-connection", "The node ended the connection at once: it has too many, or is stopping.");
  }
  const rest = restOf(head);
  const tail = rest === null ? null : await stream.read(rest);
  const hello = tail === null ? null : readHello(head, tail);
  if (hello === null) {
    throw new DawnError("protocol", "What answers is no node of this version.");
  }
  return hello;
}
