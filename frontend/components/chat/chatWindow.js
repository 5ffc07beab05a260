// The middle of the page: who is talked to, what was said, and where to write.
import { t } from "../../i18n/index.js";
import { brief } from "../../state/conversations.js";
import { fill, h } from "../dom.js";
import { icon } from "../icons.js";
import { presence } from "../agents/agentList.js";
import { Composer } from "./composer.js";
import { MessageList } from "./messageList.js";

/** @typedef {import("../../state/state.js").State} State */

export class ChatWindow {
  #state;
  #header = h("header", { class: "chat-header" });
  #banner = h("div", { class: "banner", role: "status", hidden: true });
  #typing = h("p", { class: "typing", hidden: true, "data-testid": "typing" });
  #empty = h("div", { class: "empty-state" });
  // Tells each finished reply once: a region of its own, as the list itself changes with every scroll.
  #announcer = h("p", { class: "visually-hidden", role: "status", "data-testid": "announcer" });
  #follow = new AbortController();

  /** @param {State} state @param {import("./commands.js").Command[]} commands @param {{ exportAs: (format: string) => Promise<void>, openHelp: () => void }} actions @param {AbortSignal} until */
  constructor(state, commands, actions, until) {
    this.#state = state;
    this.actions = actions;
    this.messages = new MessageList(state, until);
    this.composer = new Composer(state, commands);
    this.element = h("main", { class: "chat", id: "chat", tabindex: -1 }, this.#header, this.#banner, this.#empty, this.messages.element, this.#typing, this.composer.element, this.#announcer);
    this.#dropFiles();
    state.conversations.current.follow(conversation => this.#show(conversation), until);
    state.agents.all.follow(() => this.#showHeader(), until);
    state.status.follow(() => { this.#showBanner(); this.#showHeader(); }, until);
    const timer = setInterval(() => this.#showBanner(), 1_000);
    until.addEventListener("abort", () => { clearInterval(timer); this.#follow.abort(); }, { once: true });
  }

  /** @param {import("../../state/messages.js").Conversation | null} conversation */
  #show(conversation) {
    this.#follow.abort();
    this.#follow = new AbortController();
    const { signal } = this.#follow;
    this.messages.show(conversation);
    this.composer.show(conversation);
    this.composer.element.hidden = conversation === null;
    for (const event of ["add", "reset"]) {
      conversation?.addEventListener(event, () => this.#showEmpty(), { signal });
    }
    conversation?.addEventListener("waiting", () => this.#showTyping(), { signal });
    conversation?.addEventListener("finish", event => {
      const message = /** @type {CustomEvent<import("../../state/messages.js").Message>} */ (event).detail;
      this.#announcer.textContent = t("chat.announce", { agent: conversation.summary.title, text: brief(message) || t("chat.empty-result") });
    }, { signal });
    void conversation?.load().then(() => this.#showEmpty(), error => console.error(error));
    this.#showHeader();
    this.#showTyping();
    this.#showEmpty(conversation !== null && conversation.messages.length === 0 && conversation.summary.lastAt > 0);
  }

  #showHeader() {
    const conversation = this.#state.conversations.current.value;
    this.#header.hidden = conversation === null;
    if (conversation === null) {
      return;
    }
    const agent = this.#state.agents.find(conversation.id);
    const node = conversation.id.slice(0, conversation.id.lastIndexOf(":"));
    fill(this.#header,
      h("div", { class: "chat-title" }, h("h1", {}, conversation.summary.title), h("p", {}, presence(agent), h("span", { class: "address", title: conversation.id }, t("chat.on-node", { node: node.slice(0, 8) })), agent?.isHome ? h("span", { class: "tag" }, t("chat.this-node")) : null)),
      h("div", { class: "chat-actions" },
        h("button", { type: "button", class: "icon-button", "aria-label": t("chat.export"), title: t("chat.export"), onclick: () => void this.actions.exportAs("markdown") }, icon("download")),
        h("button", { type: "button", class: "icon-button", "aria-label": t("chat.clear"), title: t("chat.clear"), onclick: () => confirm(t("chat.clear-sure", { agent: conversation.summary.title })) && void this.#state.conversations.clear(conversation) }, icon("trash"))));
  }

  #showTyping() {
    const conversation = this.#state.conversations.current.value;
    const waits = (conversation?.waiting ?? 0) > 0;
    if (this.#typing.hidden === waits || waits && this.#typing.childElementCount === 0) {
      this.#typing.hidden = !waits;
      fill(this.#typing, waits ? [h("span", { class: "dots", "aria-hidden": "true" }, h("i"), h("i"), h("i")), t("chat.typing", { agent: conversation?.summary.title ?? "" })] : []);
    }
  }

  #showEmpty(isLoading = false) {
    const conversation = this.#state.conversations.current.value;
    const isEmpty = !isLoading && (conversation === null || conversation.messages.length === 0);
    this.#empty.hidden = !isEmpty;
    this.messages.element.hidden = isEmpty;
    if (!isEmpty) {
      return;
    }
    if (conversation === null) {
      fill(this.#empty, h("h1", {}, t("chat.welcome")), h("p", {}, t("chat.welcome-how")),
        h("p", { class: "hints" }, h("button", { type: "button", class: "button", onclick: () => this.actions.openHelp() }, icon("help"), t("chat.how-it-works"))));
      return;
    }
    const talks = this.#state.agents.talks(conversation.id);
    const tools = (this.#state.agents.find(conversation.id)?.tools ?? []).filter(name => name !== "chat").slice(0, 6);
    fill(this.#empty, h("h2", {}, t(talks ? "chat.empty-talks" : "chat.empty-tools", { agent: conversation.summary.title })),
      h("p", {}, t(talks ? "chat.empty-talks-how" : "chat.empty-tools-how", { agent: conversation.summary.title })),
      tools.length === 0 ? null : h("p", { class: "hints" }, tools.map(name => h("button", { type: "button", class: "chip", onclick: () => this.composer.insert(`/${name} `) }, `/${name}`))));
  }

  #showBanner() {
    const { state, error, retryAt } = this.#state.status.value;
    const seconds = retryAt === null ? 0 : Math.max(0, Math.ceil((retryAt - Date.now()) / 1000));
    const kind = state === "offline" || state === "connecting" && error !== null ? "offline" : state === "elsewhere" ? "elsewhere" : "";
    const label = `${kind} ${error?.code ?? ""}`;
    this.#banner.hidden = kind === "";
    if (this.#banner.dataset.shows !== label) {
      this.#banner.dataset.shows = label;
      // The seconds are outside what is announced: a countdown read aloud helps nobody.
      fill(this.#banner, kind === "" ? [] : kind === "elsewhere"
        ? [h("span", {}, t("chat.elsewhere")), h("button", { type: "button", class: "button", onclick: () => void this.#state.node.takeOver() }, t("chat.use-here"))]
        : [h("span", {}, t("chat.offline")), h("span", { class: "countdown", "aria-hidden": "true" }), h("button", { type: "button", class: "button", onclick: () => this.#state.node.retry() }, icon("retry"), t("chat.try-now"))]);
    }
    const countdown = this.#banner.querySelector(".countdown");
    if (countdown !== null) {
      countdown.textContent = seconds > 0 ? t("chat.next-try", { seconds }) : "";
    }
  }

  #dropFiles() {
    const has = (/** @type {DragEvent} */ event) => this.#state.conversations.current.value !== null && (event.dataTransfer?.types.includes("Files") ?? false);
    this.element.addEventListener("dragover", event => {
      if (has(event)) {
        event.preventDefault();
        this.element.classList.add("drop");
      }
    });
    for (const event of ["dragleave", "drop"]) {
      this.element.addEventListener(event, () => this.element.classList.remove("drop"));
    }
    this.element.addEventListener("drop", event => {
      if (has(event)) {
        event.preventDefault();
        this.composer.addFiles(event.dataTransfer?.files ?? []);
      }
    });
  }
}
