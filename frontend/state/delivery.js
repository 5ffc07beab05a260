// What is sent: to agents that talk by their tool `chat`, to all by any of their tools. Keeps what can't leave yet, and never sends twice what may have been done.
import { DawnError } from "../services/errors.js";
import { t } from "../i18n/index.js";
import { attach, weight } from "./attachments.js";

/** @typedef {import("./messages.js").Message} Message */
/** @typedef {import("./messages.js").Conversation} Conversation */
/** @typedef {import("./messages.js").Attachment} Attachment */

// A model that thinks may say nothing for long; an agent that shows progress may take for ever.
const patience = 300_000;

// Files of more than this take a connection of their own: nothing else waits behind them, and what is cancelled can be left half sent.
const upload = 1024 * 1024;

// How often what never left whole is begun anew, where its session was lost under a link that is up: the other end was restarted, or was away for too long.
const maxAttempts = 3;

export class Delivery {
  #node;
  #agents;
  #conversations;
  #storage;
  /** What is under way, with what cancels it. @type {Map<Message, AbortController>} */
  #underWay = new Map();
  #hasRecovered = false;

  /**
   * @param {import("../services/node.js").LightNode} node @param {import("./agents.js").Agents} agents
   * @param {import("./conversations.js").Conversations} conversations @param {import("../services/storage.js").Storage} storage
   */
  constructor(node, agents, conversations, storage) {
    this.#node = node;
    this.#agents = agents;
    this.#conversations = conversations;
    this.#storage = storage;
    const follow = () => node.status.state === "online" && void this.#onOnline().catch(error => console.error(error));
    node.addEventListener("status", follow);
    follow();
  }

  /** Whether a message can be cancelled. @param {Message} message */
  isUnderWay(message) {
    return this.#underWay.has(message);
  }

  /** Says something to an agent that talks. @param {Conversation} conversation @param {string} text @param {Attachment[]} files */
  async say(conversation, text, files) {
    const message = conversation.add({ from: "me", kind: "text", text, files: files.length > 0 ? files : undefined, status: "sending", thread: conversation.summary.thread });
    await this.#deliver(conversation, message);
  }

  /** Calls a tool, in sight. @param {Conversation} conversation @param {string} tool @param {Record<string, unknown>} args */
  async call(conversation, tool, args) {
    const message = conversation.add({ from: "me", kind: "call", text: "", tool, args, status: "sending" });
    await this.#deliver(conversation, message);
  }

  /** Notes a call that was made elsewhere on the page. @param {Conversation} conversation @param {{ name: string, arguments: Record<string, unknown>, result: any, error: unknown, startedAt: number, duration: number, status: "done" | "failed" | "cancelled" }} call */
  record(conversation, call) {
    const failure = call.result === undefined || call.result === null ? { status: /** @type {"cancelled" | "failed"} */ (call.status === "cancelled" ? "cancelled" : "failed"), error: call.error instanceof Error ? call.error.message : undefined } : { status: /** @type {const} */ ("received") };
    const message = conversation.add({ from: "me", kind: "call", text: "", tool: call.name, args: call.arguments, ...failure });
    if (failure.status === "received") {
      conversation.finish(conversation.add({ from: "agent", kind: "result", tool: call.name, replyTo: message.number, took: call.duration, ...parts(call.result) }));
    }
  }

  /** Tries again what failed: the person has decided that it may be done twice. @param {Conversation} conversation @param {Message} message */
  async retry(conversation, message) {
    await this.#deliver(conversation, message);
  }

  /** @param {Conversation} conversation @param {Message} message What was sent, or what answers it. */
  cancel(conversation, message) {
    const sent = message.from === "me" ? message : conversation.messages[conversation.find(message.replyTo ?? 0)];
    const abort = this.#underWay.get(sent);
    if (abort !== undefined) {
      abort.abort();
    } else if (sent?.status === "sending") {
      void conversation.commit(sent, { status: "cancelled" }, false);
    }
  }

  async #onOnline() {
    if (!this.#hasRecovered) {
      this.#hasRecovered = true;
      await this.#recover();
    }
    for (const conversation of this.#conversations.all) {
      for (const message of conversation.messages) {
        if (message.status === "sending" && message.from === "me" && !this.#underWay.has(message)) {
          void this.#deliver(conversation, message);
        }
      }
    }
  }

  // What was waiting when the page ended waits again; of what had left, nobody here knows what became of it.
  async #recover() {
    for (const { conversation: id, number } of await this.#storage.outbox()) {
      const conversation = this.#conversations.find(id);
      await conversation?.load();
      const message = conversation?.messages[conversation.find(number)];
      if (conversation === null || message === undefined) {
        continue;
      }
      if (message.status === "sent" || message.status === "received") {
        await conversation.commit(message, { status: "failed", error: t("chat.lost-by-reload"), outcome: "outcome-unknown" }, false);
      }
      for (const reply of conversation.messages.filter(one => one.replyTo === number && one.status === "streaming")) {
        conversation.change(reply, { status: "failed", progress: null });
      }
    }
  }

  /** @param {Conversation} conversation @param {Message} message @param {number} [attempt] */
  async #deliver(conversation, message, attempt = 1) {
    const abort = new AbortController();
    this.#underWay.set(message, abort);
    const { signal } = abort;
    /** @type {Message | null} */
    let reply = null;
    let isWaiting = false;
    let isAnew = false;
    const wait = (/** @type {boolean} */ waits) => {
      if (waits !== isWaiting) {
        isWaiting = waits;
        conversation.wait(waits ? 1 : -1);
      }
    };
    const answer = (/** @type {Partial<Message>} */ change) => {
      wait(false);
      if (reply === null) {
        reply = conversation.add({ from: "agent", kind: message.kind === "call" ? "result" : "text", text: "", status: "streaming", replyTo: message.number, tool: message.tool, ...change });
      } else {
        conversation.change(reply, change);
      }
    };
    const received = () => message.status === "sent" && conversation.change(message, { status: "received" });
    const began = Date.now();
    /** @type {import("../services/mcp.js").McpClient | null} */
    let own = null;
    try {
      await conversation.commit(message, { status: "sending", error: undefined, outcome: undefined, upload: undefined }, true);
      if (this.#node.status.state !== "online") {
        return;
      }
      const isUpload = weight(message.files ?? []) > upload;
      const { name, args } = await this.#request(conversation, message, signal);
      const client = isUpload ? own = await this.#agents.connect(conversation.id, { signal }) : await this.#agents.client(conversation.id, signal);
      const left = async () => {
        await conversation.commit(message, { status: "sent", upload: undefined }, true);
        wait(true);
      };
      if (!isUpload) {
        await left();
      }
      const result = await client.callTool(name, args, {
        signal, timeout: patience, sending: isUpload ? { onHeld: uploading(conversation, message), onLast: left } : undefined,
        onProgress: progress => {
          received();
          if (message.kind === "text") {
            answer({ text: (reply?.text ?? "") + (progress.message ?? "") });
          } else {
            answer({ progress });
          }
        },
      });
      own?.close();
      await conversation.commit(message, { status: "received" }, false);
      answer({ ...parts(result), progress: null, took: Date.now() - began });
    } catch (error) {
      isAnew = attempt < maxAttempts && message.status === "sending" && !signal.aborted && this.#node.status.state === "online" && error instanceof DawnError && error.code === "lost";
      if (!isAnew) {
        await this.#fail(conversation, message, reply, error);
      }
    } finally {
      wait(false);
      own?.abandon(); // without effect where it was closed
      this.#underWay.delete(message);
      if (reply !== null) {
        conversation.finish(reply);
      }
      conversation.show(message, {});
    }
    if (isAnew) {
      await this.#deliver(conversation, message, attempt + 1);
    }
  }

  /** The tool's call that a message is. @param {Conversation} conversation @param {Message} message @param {AbortSignal} signal */
  async #request(conversation, message, signal) {
    if (message.kind === "call") {
      return { name: message.tool ?? "", args: message.args ?? {} };
    }
    const chat = (await this.#agents.tools(conversation.id, signal)).find(tool => tool.name === "chat");
    if (chat === undefined) {
      throw new DawnError("refused", t("chat.no-chat"), { outcome: "not-executed" });
    }
    const properties = chat.inputSchema?.properties ?? {};
    const { text, attachments } = await attach(message.text, message.files ?? [], "attachments" in properties);
    return { name: "chat", args: { message: text, ...("conversation" in properties ? { conversation: message.thread } : {}), ...(attachments.length > 0 ? { attachments } : {}) } };
  }

  /** @param {Conversation} conversation @param {Message} message @param {Message | null} reply @param {unknown} error */
  async #fail(conversation, message, reply, error) {
    const { code, outcome } = /** @type {DawnError} */ (error instanceof DawnError ? error : { code: "", outcome: /** @type {any} */ (error)?.outcome });
    const hasLeft = message.status !== "sending";
    if (!hasLeft && this.#node.status.state !== "online" && code !== "cancelled") {
      return; // it waits for the next link
    }
    const isCancelled = code === "cancelled";
    const text = error instanceof Error ? error.message : String(error);
    if (!(error instanceof Error) || error instanceof TypeError) {
      console.error(error);
    }
    await conversation.commit(message, isCancelled ? { status: "cancelled", upload: undefined } : { status: "failed", upload: undefined, error: text, outcome: outcome ?? (hasLeft ? undefined : "not-executed") }, false);
    if (reply !== null) {
      conversation.change(reply, { status: isCancelled ? "cancelled" : "failed", progress: null });
    }
  }
}

/** Shows how much of a message the other end has, in steps that can be seen. @param {Conversation} conversation @param {Message} message */
function uploading(conversation, message) {
  const total = weight(message.files ?? []);
  let shown = -1;
  return (/** @type {number} */ held, /** @type {number} */ all) => {
    const step = Math.floor(200 * held / all);
    if (step !== shown && message.status === "sending") {
      shown = step;
      // Of the files, as people know their size; on the way they are a third longer.
      conversation.show(message, { upload: { held: Math.floor(total * held / all), total } });
    }
  };
}

/** What a tool's result is as a message. @param {any} result */
function parts(result) {
  const blocks = /** @type {any[]} */ (Array.isArray(result?.content) ? result.content : []);
  const content = blocks.filter(block => block?.type !== "text");
  return {
    text: blocks.filter(block => block?.type === "text").map(block => String(block.text)).join("\n\n"),
    content: content.length > 0 ? content : undefined,
    structured: /** @type {unknown} */ (result?.structuredContent),
    status: /** @type {"failed" | "done"} */ (result?.isError === true ? "failed" : "done"),
  };
}
