// Where messages are written: text, commands, files.
import { t } from "../../i18n/index.js";
import { fileLimit, tooLarge, weight } from "../../state/attachments.js";
import { size } from "../../state/size.js";
import { fill, h } from "../dom.js";
import { icon } from "../icons.js";
import { note, runCommand } from "./commands.js";
import { Suggestions } from "./suggestions.js";

/** @typedef {import("../../state/messages.js").Conversation} Conversation */

export class Composer {
  #state;
  #commands;
  #suggestions;
  /** @type {Conversation | null} */
  #conversation = null;
  #previews = h("ul", { class: "previews", "aria-label": t("chat.files"), hidden: true });
  #previewEnd = new AbortController();
  #picker = h("input", { type: "file", multiple: true, hidden: true, "aria-label": t("chat.attach"), onchange: () => this.#picked() });
  #send = h("button", { type: "submit", class: "send-button", "data-testid": "send", "aria-label": t("chat.send"), title: t("chat.send") }, icon("send"));

  /** @param {import("../../state/state.js").State} state @param {import("./commands.js").Command[]} commands */
  constructor(state, commands) {
    this.#state = state;
    this.#commands = commands;
    this.box = h("textarea", { "data-testid": "composer", rows: 1, "aria-label": t("chat.write"), autocomplete: "off", enterkeyhint: "send", oninput: () => this.#onInput(), onpaste: (/** @type {ClipboardEvent} */ event) => this.#onPaste(event) });
    this.#suggestions = new Suggestions(this.box, typed => this.#suggest(typed), text => this.insert(text));
    this.box.addEventListener("keydown", event => this.#onKey(event));
    this.box.addEventListener("blur", () => this.#suggestions.close());
    this.element = h("form", { class: "composer", onsubmit: (/** @type {Event} */ event) => { event.preventDefault(); void this.#submit(); } },
      this.#suggestions.element, this.#previews,
      h("div", { class: "composer-line" },
        h("button", { type: "button", class: "icon-button", "aria-label": t("chat.attach"), title: t("chat.attach"), onclick: () => this.#picker.click() }, icon("attach")), this.#picker,
        this.box, this.#send));
  }

  /** @param {Conversation | null} conversation */
  show(conversation) {
    if (this.#conversation !== null) {
      this.#conversation.draft = this.box.value;
    }
    this.#conversation = conversation;
    this.box.value = conversation?.draft ?? "";
    const name = conversation?.summary.title ?? "";
    this.box.placeholder = conversation === null ? "" : t(this.#state.agents.talks(conversation.id) ? "chat.write-to" : "chat.write-command", { agent: name });
    this.#suggestions.close();
    this.#fit();
    this.#showFiles();
  }

  /** @param {string} text */
  insert(text) {
    this.box.value = text;
    this.box.focus();
    this.box.setSelectionRange(text.length, text.length);
    this.#fit();
  }

  /** @param {Iterable<File>} files */
  addFiles(files) {
    const conversation = this.#conversation;
    if (conversation === null) {
      return;
    }
    for (const file of files) {
      if (weight([...conversation.draftFiles, file]) > fileLimit()) {
        note(this.#state, tooLarge(file.name));
      } else {
        conversation.draftFiles.push({ name: file.name || "file", type: file.type, size: file.size, data: file });
      }
    }
    this.#showFiles();
    this.box.focus();
  }

  async #submit() {
    const conversation = this.#conversation;
    const text = this.box.value.trim();
    if (conversation === null || text === "" && conversation.draftFiles.length === 0) {
      return;
    }
    const mention = /^@(\S+)\s*([\s\S]*)$/.exec(text);
    if (mention !== null && conversation.draftFiles.length === 0) {
      const [found] = this.#state.agents.named(mention[1]);
      if (found !== undefined) {
        this.#clear();
        this.#state.open(found.address);
        await this.#dispatch(/** @type {Conversation} */ (this.#state.conversations.current.value), mention[2]);
        return;
      }
    }
    const files = conversation.draftFiles;
    this.#clear();
    await this.#dispatch(conversation, text, files);
  }

  /** @param {Conversation} conversation @param {string} text @param {import("../../state/messages.js").Attachment[]} [files] */
  async #dispatch(conversation, text, files = []) {
    if (text.startsWith("/")) {
      await runCommand(this.#state, this.#commands, text.slice(1));
    } else if (text === "" && files.length === 0) {
      this.box.focus();
    } else if (this.#state.agents.find(conversation.id) !== null && !this.#state.agents.talks(conversation.id)) {
      // Better said before anything is sent than after.
      note(this.#state, t(files.length > 0 ? "chat.no-chat-files" : "chat.no-chat-how", { agent: conversation.summary.title }));
      conversation.draftFiles = files;
      this.#showFiles();
      this.insert(text);
    } else {
      await this.#state.delivery.say(conversation, text, files);
    }
  }

  #clear() {
    this.box.value = "";
    if (this.#conversation !== null) {
      this.#conversation.draft = "";
      this.#conversation.draftFiles = [];
    }
    this.#suggestions.close();
    this.#fit();
    this.#showFiles();
  }

  /** @param {KeyboardEvent} event */
  #onKey(event) {
    if (this.#suggestions.takes(event)) {
      event.preventDefault();
    } else if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      void this.#submit();
    }
  }

  #onInput() {
    this.#fit();
    void this.#suggestions.update();
  }

  /** @param {ClipboardEvent} event */
  #onPaste(event) {
    const files = event.clipboardData?.files ?? [];
    if (files.length > 0) {
      event.preventDefault();
      this.addFiles(files);
    }
  }

  #picked() {
    this.addFiles(this.#picker.files ?? []);
    this.#picker.value = "";
  }

  // A box that grows with its text, up to a third of the window.
  #fit() {
    this.box.style.blockSize = "auto";
    this.box.style.blockSize = `${Math.min(this.box.scrollHeight, innerHeight / 3)}px`;
  }

  #showFiles() {
    this.#previewEnd.abort();
    this.#previewEnd = new AbortController();
    const files = this.#conversation?.draftFiles ?? [];
    this.#previews.hidden = files.length === 0;
    fill(this.#previews, files.map((file, index) => {
      const url = file.type.startsWith("image/") ? URL.createObjectURL(file.data) : null;
      this.#previewEnd.signal.addEventListener("abort", () => url !== null && URL.revokeObjectURL(url), { once: true });
      return h("li", {}, url === null ? icon("file") : h("img", { src: url, alt: "" }), h("span", {}, file.name), h("small", {}, size(file.size)),
        h("button", { type: "button", class: "icon-button small", "aria-label": t("chat.remove-file", { name: file.name }), onclick: () => { files.splice(index, 1); this.#showFiles(); } }, icon("close")));
    }));
  }

  /** @param {string} typed @returns {Promise<import("./suggestions.js").Suggestion[]>} */
  async #suggest(typed) {
    const wanted = typed.slice(1).toLowerCase();
    if (typed.startsWith("@")) {
      return this.#state.agents.named(wanted).map(agent => ({ label: `@${agent.agent}`, detail: agent.title, text: `@${this.#state.agents.named(agent.agent).length > 1 ? agent.address : agent.agent} ` }));
    }
    const own = this.#commands.filter(command => command.name.startsWith(wanted)).map(command => ({ label: `/${command.name}`, detail: command.describe(), text: `/${command.name} ` }));
    const id = this.#conversation?.id;
    const tools = id === undefined || this.#state.status.value.state !== "online" ? [] : await this.#state.agents.tools(id).catch(() => []); // an agent that is away has none to suggest
    return [...tools.filter(tool => tool.name.toLowerCase().includes(wanted)).map(tool => ({ label: `/${tool.name}`, detail: tool.title ?? tool.description ?? "", text: `/${tool.name} ` })), ...own];
  }
}
