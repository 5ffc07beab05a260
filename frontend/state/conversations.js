// All conversations: which there are, what is unread, and which one is open.
import { Conversation } from "./messages.js";
import { Signal } from "./signal.js";

/** @typedef {import("./messages.js").Message} Message */
/**
 * What the list of agents shows of a conversation, without its messages.
 * @typedef {object} Summary
 * @property {string} id The agent's address.
 * @property {string} title
 * @property {number} next The next message's number.
 * @property {number} unread
 * @property {number} lastAt
 * @property {string} lastText
 * @property {string} thread What `chat` is told as its `conversation`: another one forgets what was said.
 */

export class Conversations extends EventTarget {
  #storage;
  /** @type {Map<string, Conversation>} */
  #all = new Map();
  /** @type {WeakSet<Message>} */
  #counted = new WeakSet();
  /** The one that is shown. @type {Signal<Conversation | null>} */
  current = new Signal(/** @type {Conversation | null} */ (null));

  /** @param {import("../services/storage.js").Storage} storage */
  constructor(storage) {
    super();
    this.#storage = storage;
  }

  async load() {
    for (const summary of await this.#storage.conversations()) {
      this.#add(summary);
    }
  }

  get all() {
    return [...this.#all.values()];
  }

  get unread() {
    return this.all.reduce((sum, one) => sum + one.summary.unread, 0);
  }

  /** The conversation with an agent, begun where there is none. @param {string} address @param {string} title */
  get(address, title) {
    const known = this.#all.get(address);
    if (known !== undefined && title !== "") {
      known.summary.title = title;
    }
    return known ?? this.#add({ id: address, title: title || address, next: 1, unread: 0, lastAt: 0, lastText: "", thread: crypto.randomUUID() });
  }

  /** @param {string} address */
  find(address) {
    return this.#all.get(address) ?? null;
  }

  /** Shows a conversation. @param {Conversation} conversation */
  open(conversation) {
    this.current.value = conversation;
    void conversation.load().catch(error => console.error(error));
  }

  /** Has been seen, to its end. @param {Conversation} conversation */
  read(conversation) {
    if (conversation.summary.unread > 0) {
      conversation.summary.unread = 0;
      this.#changed(conversation);
    }
  }

  /** Forgets what was said, here and (by another thread) there. @param {Conversation} conversation */
  async clear(conversation) {
    Object.assign(conversation.summary, { thread: crypto.randomUUID(), lastText: "", unread: 0 });
    await conversation.clear();
    this.#changed(conversation);
  }

  /** Messages that fit, newest first. A linear look at all of them is quick enough. @param {Filter} filter @param {number} limit @returns {Promise<Message[]>} */
  async search(filter, limit) {
    const found = [];
    for (const conversation of this.all.filter(one => filter.agent === "" || one.id === filter.agent)) {
      await conversation.settle();
      for (const message of await this.#storage.messages(conversation.id)) {
        if (fits(message, filter)) {
          found.push(message);
        }
      }
    }
    return found.sort((a, b) => b.at - a.at).slice(0, limit);
  }

  /** @param {Summary} summary */
  #add(summary) {
    const conversation = new Conversation(summary, this.#storage);
    this.#all.set(summary.id, conversation);
    conversation.addEventListener("add", event => {
      const message = /** @type {CustomEvent<Message>} */ (event).detail;
      summary.lastAt = message.at;
      summary.lastText = brief(message);
      this.#count(conversation, message);
    });
    conversation.addEventListener("finish", event => {
      const message = /** @type {CustomEvent<Message>} */ (event).detail;
      summary.lastText = brief(message);
      this.#count(conversation, message);
    });
    return conversation;
  }

  // Once for each reply: when it begins or, where it was seen beginning and then left, when it is whole.
  /** @param {Conversation} conversation @param {Message} message */
  #count(conversation, message) {
    const isSeen = this.current.value === conversation && document.visibilityState === "visible";
    if (message.from === "agent" && !isSeen && !this.#counted.has(message)) {
      this.#counted.add(message);
      conversation.summary.unread++;
    }
    this.#changed(conversation);
  }

  /** @param {Conversation} conversation */
  #changed(conversation) {
    void this.#storage.keep(conversation.summary).catch(error => console.error(error));
    this.dispatchEvent(new Event("change"));
  }
}

/** @typedef {{ text: string, agent: string, kind: string, from: number, to: number }} Filter */

/** @param {Message} message @param {Filter} filter */
export function fits(message, filter) {
  const words = filter.text.toLowerCase();
  return message.at >= filter.from && message.at < filter.to &&
    (filter.kind === "" || kindOf(message) === filter.kind) &&
    (words === "" || searchable(message).includes(words));
}

/** @param {Message} message */
const kindOf = message => (message.files?.length ?? 0) > 0 || (message.content?.length ?? 0) > 0 ? "file" : message.kind === "call" || message.kind === "result" ? "tool" : message.kind;

/** @param {Message} message */
const searchable = message => `${message.text} ${message.tool ?? ""} ${message.args === undefined ? "" : JSON.stringify(message.args)} ${(message.files ?? []).map(file => file.name).join(" ")}`.toLowerCase();

/** One line of a message. @param {Message} message */
export const brief = message => (message.kind === "call" || message.kind === "result" && message.structured !== undefined ? `/${message.tool}` : message.text).replace(/[`*_#>|]/g, "").replace(/\s+/g, " ").trim().slice(0, 120);
