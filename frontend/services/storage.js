// Conversations and their messages, kept in the browser and nowhere else.
import { openDB } from "idb";

/** @typedef {import("../state/messages.js").Message} Message */
/** @typedef {import("../state/conversations.js").Summary} Summary */

export class Storage {
  #database;

  /** @param {import("idb").IDBPDatabase} database */
  constructor(database) {
    this.#database = database;
  }

  /** @param {string} [name] */
  static async open(name = "dawn-chat") {
    const database = await openDB(name, 1, {
      upgrade(database) {
        database.createObjectStore("conversations", { keyPath: "id" });
        database.createObjectStore("messages", { keyPath: ["conversation", "number"] });
        // What is on its way, so that a reload finds it without reading every message.
        database.createObjectStore("outbox", { keyPath: ["conversation", "number"] });
      },
      // Another page may want to upgrade or delete it; held open it would wait for ever.
      blocking: (_, __, event) => /** @type {IDBDatabase} */ (event.target).close(),
    });
    return new Storage(database);
  }

  /** @returns {Promise<Summary[]>} */
  conversations() {
    return this.#database.getAll("conversations");
  }

  /** @param {Summary} summary */
  async keep(summary) {
    await this.#database.put("conversations", summary);
  }

  /**
   * Messages in order; the newest `limit` before a number.
   * @param {string} conversation @param {{ before?: number, limit?: number }} [part] @returns {Promise<Message[]>}
   */
  async messages(conversation, { before = Infinity, limit = Infinity } = {}) {
    if (limit === Infinity) {
      return this.#database.getAll("messages", IDBKeyRange.bound([conversation, -Infinity], [conversation, before], false, true));
    }
    const found = [];
    const range = IDBKeyRange.bound([conversation, -Infinity], [conversation, before], false, true);
    for (let cursor = await this.#database.transaction("messages").store.openCursor(range, "prev"); cursor !== null && found.length < limit; cursor = await cursor.continue()) {
      found.push(cursor.value);
    }
    return found.reverse();
  }

  /** @param {string} conversation @param {number} number @returns {Promise<Message | undefined>} */
  message(conversation, number) {
    return this.#database.get("messages", [conversation, number]);
  }

  /** @param {Message[]} messages */
  async write(messages) {
    const transaction = this.#database.transaction("messages", "readwrite");
    for (const message of messages) {
      void transaction.store.put(message);
    }
    await transaction.done;
  }

  /** Writes a message that is on its way, or no longer. @param {Message} message @param {boolean} isOut */
  async writeOut(message, isOut) {
    const transaction = this.#database.transaction(["messages", "outbox"], "readwrite", { durability: "strict" });
    void transaction.objectStore("messages").put(message);
    const outbox = transaction.objectStore("outbox");
    void (isOut ? outbox.put({ conversation: message.conversation, number: message.number }) : outbox.delete([message.conversation, message.number]));
    await transaction.done;
  }

  /** @returns {Promise<{ conversation: string, number: number }[]>} */
  outbox() {
    return this.#database.getAll("outbox");
  }

  /** Forgets all messages of a conversation. @param {string} conversation */
  async clear(conversation) {
    const transaction = this.#database.transaction(["messages", "outbox"], "readwrite");
    const range = IDBKeyRange.bound([conversation, -Infinity], [conversation, Infinity]);
    void transaction.objectStore("messages").delete(range);
    void transaction.objectStore("outbox").delete(range);
    await transaction.done;
  }
}
