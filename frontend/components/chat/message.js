// One message, and how it stands.
import { language, t } from "../../i18n/index.js";
import { size } from "../../state/size.js";
import { fill, h, uniqueId } from "../dom.js";
import { icon } from "../icons.js";
import { contentBlock, copyButton, markdown, media, structured } from "./content.js";

/** @typedef {import("../../state/messages.js").Message} Message */
/** @typedef {import("../../state/messages.js").Conversation} Conversation */

// Who says more within this time needs no new heading.
const pause = 180_000;

/** @type {Record<string, string>} */
const statusIcons = { sending: "clock", sent: "check", received: "check", failed: "failed", cancelled: "close" };

export class MessageView {
  #delivery;
  #conversation;
  #article;
  #body = h("div", { class: "body" });
  #bubble = h("div", { class: "bubble" }, this.#body);
  /** @type {{ element: HTMLElement, bar: HTMLProgressElement, text: HTMLElement } | null} */
  #upload = null;
  #footer = h("footer", {});
  #shown = { text: "\0", whole: false, parts: "" };
  #shownFooter = "";
  #end = new AbortController();
  #headingId = uniqueId("from");

  /**
   * @param {Message} message @param {Message | undefined} previous @param {Conversation} conversation
   * @param {{ delivery: import("../../state/delivery.js").Delivery, isFirstUnread: boolean, onChange: () => void }} context
   */
  constructor(message, previous, conversation, { delivery, isFirstUnread, onChange }) {
    this.message = message;
    this.#conversation = conversation;
    this.#delivery = delivery;
    this.onChange = onChange;
    const startsDay = previous === undefined || day(previous.at) !== day(message.at);
    const follows = !startsDay && !isFirstUnread && previous.from === message.from && message.at - previous.at < pause && message.from !== "note";
    const author = message.from === "me" ? t("chat.you") : message.from === "note" ? t("chat.note") : conversation.summary.title;
    const moment = new Date(message.at);
    this.#article = h("article", { class: "message", "data-from": message.from, "data-kind": message.kind, "data-follows": follows ? "" : null, tabindex: -1, "aria-labelledby": this.#headingId },
      h("header", { id: this.#headingId, class: follows || message.from === "note" ? "visually-hidden" : null },
        h("span", { class: "author" }, author), " ", h("time", { datetime: moment.toISOString(), title: moment.toLocaleString(language.value) }, moment.toLocaleTimeString(language.value, { hour: "2-digit", minute: "2-digit" }))),
      this.#bubble, this.#footer);
    /** The whole row, with the separators above the message. */
    this.element = h("div", { class: "row" },
      startsDay ? h("p", { class: "day" }, h("span", {}, dayName(message.at))) : null,
      isFirstUnread ? h("p", { class: "day unread-line" }, h("span", {}, t("chat.new"))) : null,
      this.#article);
    this.update();
  }

  /** @param {number} position @param {number} count */
  place(position, count) {
    this.#article.setAttribute("aria-posinset", String(position));
    this.#article.setAttribute("aria-setsize", String(count));
  }

  focus() {
    this.#article.focus({ preventScroll: true });
  }

  flash() {
    this.#article.classList.remove("flash");
    requestAnimationFrame(() => this.#article.classList.add("flash"));
  }

  /** Shows the message as it is now. */
  update() {
    const { message } = this;
    this.#article.dataset.status = message.status;
    this.#article.toggleAttribute("aria-busy", message.status === "streaming");
    this.#showBody();
    this.#showUpload();
    this.#showFooter();
  }

  /** Gives back what it holds. */
  end() {
    this.#end.abort();
  }

  #showBody() {
    const { message } = this;
    const whole = message.status !== "streaming";
    // A reply that grows changes its text alone; what else there is stays as it is.
    const parts = JSON.stringify([message.kind, whole, message.progress, message.content?.length, message.structured !== undefined, message.files?.length]);
    if (parts === this.#shown.parts && message.text === this.#shown.text) {
      return;
    }
    const text = this.#body.querySelector(":scope > .markdown");
    if (parts === this.#shown.parts && text !== null) {
      markdown(text, message.text, { whole, onChange: this.onChange });
    } else {
      fill(this.#body, ...this.#parts(whole));
    }
    this.#shown = { text: message.text, whole, parts };
  }

  /** @param {boolean} whole @returns {(Node | null)[]} */
  #parts(whole) {
    const { message } = this;
    const text = h("div", { class: "markdown" });
    if (message.kind === "call") {
      return [h("p", { class: "slash-call" }, icon("command"), h("code", {}, `/${message.tool}`)), Object.keys(message.args ?? {}).length > 0 ? structured(message.args) : null];
    }
    // The text of a structured result repeats it.
    const repeats = message.structured !== undefined && isJson(message.text);
    if (message.text !== "" && !repeats) {
      markdown(text, message.text, { whole, onChange: this.onChange });
    }
    return [
      message.text !== "" && !repeats || message.kind === "text" ? text : null,
      message.structured !== undefined && message.structured !== null ? structured(message.structured) : null,
      ...(message.content ?? []).map(block => contentBlock(block, this.#end.signal)),
      ...(message.files ?? []).map(file => media(file.data, file.type, file.name, this.#end.signal)),
      message.status === "streaming" && message.kind === "result" ? progress(message) : null,
      whole && message.text === "" && message.structured === undefined && message.content === undefined && message.files === undefined ? h("p", { class: "quiet" }, t("chat.empty-result")) : null,
    ];
  }

  #showUpload() {
    const { status, upload } = this.message;
    if (upload === undefined || status !== "sending") {
      this.#upload?.element.remove();
      this.#upload = null;
      return;
    }
    if (this.#upload === null) {
      const bar = h("progress", { max: 1, "aria-label": t("chat.status-sending") });
      const text = h("span", {});
      this.#upload = { element: h("div", { class: "progress", "data-testid": "upload" }, bar, text), bar, text };
      this.#bubble.append(this.#upload.element);
    }
    this.#upload.bar.value = upload.held / upload.total;
    this.#upload.text.textContent = t("chat.uploaded", { held: size(upload.held), total: size(upload.total) });
  }

  #showFooter() {
    const { message } = this;
    const isMine = message.from === "me";
    const isFailed = message.status === "failed";
    const mayCancel = isMine ? message.status === "sending" : message.status === "streaming" && this.#mayCancelAnswered();
    const mayRetry = isMine && (isFailed || message.status === "cancelled");
    const cancelling = isMine && (message.status === "sent" || message.status === "received") && this.#delivery.isUnderWay(message) && !this.#conversation.messages.some(one => one.replyTo === message.number && one.status === "streaming");
    // Anew only where it says something else: a button that goes from under a finger was never pressed.
    const says = JSON.stringify([message.status, message.error, message.outcome, message.took, mayCancel, mayRetry, cancelling, message.text !== ""]);
    if (says === this.#shownFooter) {
      return;
    }
    this.#shownFooter = says;
    fill(this.#footer,
      isMine ? h("span", { class: "status", "data-status": message.status }, icon(statusIcons[message.status] ?? "check"), t(`chat.status-${message.status}`)) : null,
      !isMine && isFailed ? h("span", { class: "status", "data-status": "failed" }, icon("failed"), t(message.error === undefined && message.kind === "result" && message.text !== "" ? "chat.tool-failed" : "chat.interrupted")) : null,
      !isMine && message.status === "cancelled" ? h("span", { class: "status" }, icon("close"), t("chat.status-cancelled")) : null,
      message.kind === "result" && message.took !== undefined && message.took > 999 ? h("span", { class: "quiet" }, t("chat.took", { seconds: (message.took / 1000).toFixed(1) })) : null,
      isFailed && message.error !== undefined ? h("span", { class: "error" }, message.error, message.outcome === "outcome-unknown" ? ` ${t("chat.outcome-unknown")}` : "") : null,
      mayRetry ? h("button", { type: "button", class: "text-button", "data-testid": "retry", onclick: () => void this.#delivery.retry(this.#conversation, message) }, icon("retry"), t(message.outcome === "outcome-unknown" ? "chat.retry-anyway" : "chat.retry")) : null,
      mayCancel || cancelling ? h("button", { type: "button", class: "text-button", "data-testid": "cancel", onclick: () => this.#delivery.cancel(this.#conversation, message) }, icon("stop"), t("chat.cancel")) : null,
      message.text !== "" && message.status !== "streaming" && message.from !== "note" ? h("span", { class: "on-hover" }, copyButton(() => message.text)) : null);
  }

  #mayCancelAnswered() {
    const asked = this.#conversation.messages[this.#conversation.find(this.message.replyTo ?? 0)];
    return asked !== undefined && this.#delivery.isUnderWay(asked);
  }
}

/** @param {Message} message */
function progress({ progress }) {
  const label = progress?.message ?? t("chat.working");
  const known = typeof progress?.total === "number" && progress.total > 0;
  return h("div", { class: "progress" },
    h("progress", { "aria-label": label, max: known ? progress?.total : null, ...(known ? { value: progress?.progress } : {}) }),
    h("span", {}, label, known ? ` · ${Math.round(100 * Number(progress?.progress) / Number(progress?.total))} %` : ""));
}

/** @param {string} text */
function isJson(text) {
  try {
    return typeof JSON.parse(text) === "object";
  } catch {
    return false;
  }
}

/** @param {number} at */
const day = at => new Date(at).toDateString();

/** @param {number} at */
export function dayName(at) {
  const days = Math.round((new Date(new Date().toDateString()).getTime() - new Date(day(at)).getTime()) / 86_400_000);
  return days <= 1 && days >= 0
    ? capital(new Intl.RelativeTimeFormat(language.value, { numeric: "auto" }).format(-days, "day"))
    : new Date(at).toLocaleDateString(language.value, { weekday: "long", day: "numeric", month: "long", ...(new Date(at).getFullYear() === new Date().getFullYear() ? {} : { year: "numeric" }) });
}

/** @param {string} text */
const capital = text => text.charAt(0).toLocaleUpperCase(language.value) + text.slice(1);
