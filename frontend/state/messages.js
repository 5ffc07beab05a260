// One conversation: its messages in order, and who is told of what changes.

/**
 * A line of a conversation. What is sent is `sending` until it has left, then `sent`, `received` once the agent shows that it has it, or `failed`;
 * what comes back is `streaming` until it is `done`, or `failed`, or `cancelled`.
 * @typedef {object} Message
 * @property {string} conversation
 * @property {number} number Grows within the conversation.
 * @property {"me" | "agent" | "note"} from
 * @property {"text" | "call" | "result" | "note"} kind
 * @property {number} at Unix milliseconds.
 * @property {string} text Markdown.
 * @property {"sending" | "sent" | "received" | "streaming" | "done" | "failed" | "cancelled"} status
 * @property {string} [error] In words.
 * @property {import("../services/errors.js").Outcome} [outcome] Of what failed.
 * @property {string} [tool] @property {Record<string, unknown>} [args] Of calls.
 * @property {any[]} [content] MCP content blocks other than the text.
 * @property {unknown} [structured] What a tool gave beside its text.
 * @property {Attachment[]} [files]
 * @property {number} [replyTo] The number of what this answers.
 * @property {{ progress: number, total?: number, message?: string } | null} [progress]
 * @property {{ held: number, total: number }} [upload] Of what is on its way and takes a while: bytes that the other end has, and all.
 * @property {number} [took] Milliseconds.
 * @property {string} [thread] What `chat` was told as its `conversation`.
 */
/** @typedef {{ name: string, type: string, size: number, data: Blob }} Attachment */

// So many are shown at once; older ones follow while the page is idle.
const newest = 150;
const writePause = 400;

export class Conversation extends EventTarget {
  #storage;
  /** @type {Promise<void> | null} */
  #loading = null;
  /** @type {Set<Message>} */
  #unwritten = new Set();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #writing;
  /** @type {Message[]} */
  messages = [];
  /** What is being typed, while another conversation is shown. */
  draft = "";
  /** @type {Attachment[]} */
  draftFiles = [];
  /** How many calls wait for their first word. */
  waiting = 0;

  /** @param {import("./conversations.js").Summary} summary @param {import("../services/storage.js").Storage} storage */
  constructor(summary, storage) {
    super();
    this.summary = summary;
    this.#storage = storage;
  }

  get id() {
    return this.summary.id;
  }

  /** Reads the newest messages, and the others after that. Settles when the newest are there. */
  load() {
    this.#loading ??= this.#load();
    return this.#loading;
  }

  /** @param {Partial<Message> & Pick<Message, "from" | "kind" | "text" | "status">} parts @returns {Message} */
  add(parts) {
    const message = { conversation: this.id, number: this.summary.next++, at: Date.now(), ...parts };
    this.messages.push(message);
    this.#unwritten.add(message);
    this.#write();
    this.dispatchEvent(new CustomEvent("add", { detail: message }));
    return message;
  }

  /** Many at once, as tests and imports bring. @param {Message[]} messages */
  async addAll(messages) {
    this.messages.push(...messages);
    this.dispatchEvent(new Event("reset"));
    await this.#storage.write(messages);
  }

  /** @param {Message} message @param {Partial<Message>} change */
  change(message, change) {
    this.#unwritten.add(message);
    this.#write();
    this.show(message, change);
  }

  /** A change that is shown and not kept: to write a message is to write its files as well. @param {Message} message @param {Partial<Message>} change */
  show(message, change) {
    Object.assign(message, change);
    this.dispatchEvent(new CustomEvent("change", { detail: message }));
  }

  /** A change that must outlive the page's sudden end. @param {Message} message @param {Partial<Message>} change @param {boolean} isOut Whether it is on its way. */
  async commit(message, change, isOut) {
    this.#unwritten.delete(message);
    this.show(message, change);
    await this.#storage.writeOut(message, isOut);
  }

  /** @param {number} by */
  wait(by) {
    this.waiting = Math.max(0, this.waiting + by);
    this.dispatchEvent(new Event("waiting"));
  }

  /** Says that a reply is whole, and writes it: whoever has read it finds it again, however soon the page is left. @param {Message} message */
  finish(message) {
    this.dispatchEvent(new CustomEvent("finish", { detail: message }));
    void this.settle().catch(error => console.error(error));
  }

  async clear() {
    this.messages = [];
    this.#unwritten.clear();
    this.dispatchEvent(new Event("reset"));
    await this.#storage.clear(this.id);
  }

  /** @param {number} number */
  find(number) {
    let [low, high] = [0, this.messages.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      [low, high] = this.messages[middle].number < number ? [middle + 1, high] : [low, middle];
    }
    return this.messages[low]?.number === number ? low : -1;
  }

  async #load() {
    const recent = await this.#storage.messages(this.id, { limit: newest });
    this.#prepend(recent);
    if (recent.length === newest) {
      void this.#storage.messages(this.id, { before: recent[0].number }).then(older => this.#prepend(older), error => console.error(error));
    }
  }

  /** @param {Message[]} older */
  #prepend(older) {
    const first = this.messages[0]?.number ?? Infinity;
    const missing = older.filter(message => message.number < first);
    if (missing.length > 0) {
      this.messages = [...missing, ...this.messages];
      this.dispatchEvent(new Event("reset"));
    }
  }

  /** Writes what has not been written yet. */
  async settle() {
    clearTimeout(this.#writing);
    this.#writing = undefined;
    const messages = [...this.#unwritten];
    this.#unwritten.clear();
    if (messages.length > 0) {
      await Promise.all([this.#storage.write(messages), this.#storage.keep(this.summary)]);
    }
  }

  // A streaming reply changes sixty times a second, and is written twice.
  #write() {
    this.#writing ??= setTimeout(() => void this.settle().catch(error => console.error(error)), writePause);
  }
}
