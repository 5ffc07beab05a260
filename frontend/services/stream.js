// A WebSocket as a stream of bytes in both directions: where messages begin and end means nothing (docs/protocol.md, "Transports").
import { empty } from "./bytes.js";
import { DawnError } from "./errors.js";

/** @typedef {import("./bytes.js").Bytes} Bytes */
/** @typedef {new (url: string) => WebSocket} SocketConstructor */

// A neighbour has at most 1 MiB queued for a link, and sessions 4 MiB each in flight; what is beyond nobody sends who keeps to the protocol.
const maxBuffered = 64 * 1024 * 1024;

export class ByteStream {
  #socket;
  /** @type {Bytes[]} */
  #chunks = [];
  #offset = 0;
  #buffered = 0;
  #ended = false;
  /** @type {(() => void) | null} */
  #wake = null;
  /** Called when bytes come, of whatever kind: the other end lives. */
  onBytes = () => {};

  /** @param {WebSocket} socket open already */
  constructor(socket) {
    this.#socket = socket;
    socket.binaryType = "arraybuffer";
    socket.onmessage = event => this.#take(event.data);
    socket.onclose = socket.onerror = () => this.#end();
  }

  /**
   * @param {string} url @param {SocketConstructor} Socket @param {AbortSignal} signal
   * @returns {Promise<ByteStream>}
   */
  static open(url, Socket, signal) {
    return new Promise((resolve, reject) => {
      const socket = new Socket(url);
      const fail = () => {
        socket.onopen = socket.onclose = socket.onerror = null;
        signal.removeEventListener("abort", fail);
        socket.close();
        reject(signal.aborted && signal.reason instanceof DawnError ? signal.reason : new DawnError("no-connection", `No connection to ${url}: the node is not running, or refuses this page.`));
      };
      socket.onclose = socket.onerror = fail;
      socket.onopen = () => {
        signal.removeEventListener("abort", fail);
        resolve(new ByteStream(socket));
      };
      signal.addEventListener("abort", fail, { once: true });
      if (signal.aborted) {
        fail();
      }
    });
  }

  /** What is written and has not left. */
  get unsent() {
    return this.#socket.bufferedAmount;
  }

  /** The next bytes, as soon as so many are there; null where the stream ends before. One reader at a time. @param {number} count @returns {Promise<Bytes | null>} */
  async read(count) {
    while (this.#buffered < count && !this.#ended) {
      await new Promise(resolve => this.#wake = () => resolve(undefined));
    }
    return this.#buffered < count ? null : this.#pull(count);
  }

  /** @param {Bytes} bytes */
  write(bytes) {
    if (this.#socket.readyState === 1) {
      this.#socket.send(bytes);
    }
  }

  close() {
    this.#end();
    this.#socket.close();
  }

  /** @param {unknown} data */
  #take(data) {
    if (!(data instanceof ArrayBuffer) || this.#buffered + data.byteLength > maxBuffered) {
      // Text, or more than anybody may have under way.
      this.close();
      return;
    }
    this.#chunks.push(new Uint8Array(data));
    this.#buffered += data.byteLength;
    this.onBytes();
    this.#signal();
  }

  /** @param {number} count @returns {Bytes} */
  #pull(count) {
    if (count === 0) {
      return empty;
    }
    this.#buffered -= count;
    const first = this.#chunks[0];
    if (first.length - this.#offset > count) {
      this.#offset += count;
      return first.subarray(this.#offset - count, this.#offset);
    }
    const bytes = new Uint8Array(count);
    let at = 0;
    while (at < count) {
      const chunk = this.#chunks[0].subarray(this.#offset, this.#offset + count - at);
      bytes.set(chunk, at);
      at += chunk.length;
      this.#offset += chunk.length;
      if (this.#offset === this.#chunks[0].length) {
        this.#chunks.shift();
        this.#offset = 0;
      }
    }
    return bytes;
  }

  #end() {
    this.#ended = true;
    this.#signal();
  }

  #signal() {
    const wake = this.#wake;
    this.#wake = null;
    wake?.();
  }
}
