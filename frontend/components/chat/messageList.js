// The messages of a conversation, of which only those in sight are there (WAI-ARIA 1.2, "feed").
import { t } from "../../i18n/index.js";
import { Heights } from "../../state/heights.js";
import { h } from "../dom.js";
import { icon } from "../icons.js";
import { MessageView } from "./message.js";

/** @typedef {import("../../state/messages.js").Message} Message */
/** @typedef {import("../../state/messages.js").Conversation} Conversation */

// What is kept ready above and below, in pixels: a turn of the wheel and a bit.
const margin = 700;
const nearEnd = 60;

export class MessageList {
  #state;
  #heights = new Heights();
  #above = h("div", { class: "spacer", "aria-hidden": "true" });
  #below = h("div", { class: "spacer", "aria-hidden": "true" });
  #newer = h("button", { type: "button", class: "to-end", hidden: true, onclick: () => this.toEnd() });
  /** @type {Map<Message, MessageView>} */
  #views = new Map();
  /** @type {Set<Message>} */
  #changed = new Set();
  /** @type {Conversation | null} */
  #conversation = null;
  #follow = new AbortController();
  #frame = 0;
  #isPinned = true;
  /** Where it was scrolled to by itself. */
  #at = 0;
  #missed = 0;
  #firstUnread = 0;
  #resize;

  /** @param {import("../../state/state.js").State} state @param {AbortSignal} until */
  constructor(state, until) {
    this.#state = state;
    this.list = h("div", { class: "feed", "data-testid": "messages", role: "feed", tabindex: 0, "aria-label": t("chat.messages") }, this.#above, this.#below);
    this.element = h("div", { class: "messages-frame" }, this.list, this.#newer);
    this.list.addEventListener("scroll", () => this.#onScroll(), { passive: true });
    this.list.addEventListener("keydown", event => this.#onKey(event));
    this.#resize = new ResizeObserver(() => this.#schedule());
    this.#resize.observe(this.list);
    until.addEventListener("abort", () => {
      this.#follow.abort();
      this.#resize.disconnect();
      cancelAnimationFrame(this.#frame);
      this.#drop([...this.#views.keys()]);
    }, { once: true });
  }

  /** @param {Conversation | null} conversation */
  show(conversation) {
    this.#follow.abort();
    this.#follow = new AbortController();
    this.#conversation = conversation;
    this.#isPinned = true;
    this.#at = 0;
    this.#missed = 0;
    this.#firstUnread = conversation !== null && conversation.summary.unread > 0 ? conversation.summary.unread : 0;
    this.#reset();
    const { signal } = this.#follow;
    conversation?.addEventListener("reset", () => this.#reset(), { signal });
    conversation?.addEventListener("add", event => this.#onAdd(/** @type {CustomEvent<Message>} */ (event).detail), { signal });
    conversation?.addEventListener("change", event => {
      this.#changed.add(/** @type {CustomEvent<Message>} */ (event).detail);
      this.#schedule();
    }, { signal });
  }

  toEnd() {
    this.#isPinned = true;
    this.#schedule();
  }

  /** Shows one message, wherever it is. @param {number} number */
  reveal(number) {
    const index = this.#conversation?.find(number) ?? -1;
    if (index < 0) {
      return false;
    }
    this.#isPinned = false;
    // Twice: what is above has its true height only once it is there.
    for (let pass = 0; pass < 2; pass++) {
      this.list.scrollTop = this.#heights.offset(index) - this.list.clientHeight / 3;
      this.#render();
    }
    const view = this.#views.get(/** @type {Conversation} */ (this.#conversation).messages[index]);
    view?.focus();
    view?.flash();
    return true;
  }

  #reset() {
    const messages = this.#conversation?.messages ?? [];
    const last = this.#heights.count;
    const fromEnd = this.#heights.total - this.list.scrollTop;
    this.#drop([...this.#views.keys()].filter(message => messages[this.#conversation?.find(message.number) ?? -1] !== message));
    if (this.#firstUnread > 0 && messages.length >= this.#firstUnread) {
      // A count from the end becomes the message it means.
      this.#firstUnreadMessage = messages[messages.length - this.#firstUnread];
      this.#firstUnread = 0;
    }
    const width = this.list.clientWidth;
    this.#heights.reset(messages.length, index => this.#views.get(messages[index])?.element.offsetHeight || estimate(messages[index], width));
    if (!this.#isPinned && last > 0) {
      this.#spread(0, -1);
      this.list.scrollTop = this.#heights.total - fromEnd; // older ones came before what is in sight
    }
    this.#render();
  }

  /** @type {Message | null} */
  #firstUnreadMessage = null;

  /** @param {Message} message */
  #onAdd(message) {
    this.#heights.push(estimate(message, this.list.clientWidth));
    if (message.from === "me") {
      this.#isPinned = true;
      this.#firstUnreadMessage = null;
    } else if (!this.#isPinned) {
      this.#missed++;
    }
    this.#schedule();
  }

  #onScroll() {
    const { scrollTop, scrollHeight, clientHeight } = this.list;
    // What grows moves the end away, and not the person: whoever was at the end leaves it by scrolling up alone.
    this.#isPinned = scrollHeight - scrollTop - clientHeight < nearEnd || this.#isPinned && scrollTop >= this.#at;
    this.#schedule();
  }

  // At most once in a frame, whatever came: a reply that streams is parsed as often, and no more.
  #schedule() {
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      this.#render();
    });
  }

  #render() {
    const messages = this.#conversation?.messages ?? [];
    for (const message of this.#changed) {
      this.#views.get(message)?.update();
    }
    this.#changed.clear();
    const { list } = this;
    const height = list.clientHeight;
    if (messages.length === 0 || height === 0) {
      this.#drop([...this.#views.keys()]);
      this.#spread(0, -1);
      this.#at = 0;
      this.#tellNewer();
      return;
    }
    this.#measure(messages);
    const top = this.#isPinned ? Math.max(0, this.#heights.total - height) : list.scrollTop;
    const anchor = this.#heights.find(top);
    const within = top - this.#heights.offset(anchor);
    // New rows are lower or higher than thought, which may let further ones in: the second pass has nearly always nothing to do.
    let [first, last] = [0, -1];
    for (let pass = 0; pass < 3; pass++) {
      const at = this.#isPinned ? Math.max(0, this.#heights.total - height) : this.#heights.offset(anchor) + within;
      const [from, to] = [this.#heights.find(at - margin), this.#heights.find(at + height + margin)];
      if (from === first && to === last) {
        break;
      }
      [first, last] = [from, to];
      this.#fill(messages, first, last);
      this.#measure(messages);
    }
    this.#spread(first, last);
    const wanted = this.#isPinned ? list.scrollHeight : this.#heights.offset(anchor) + within;
    if (Math.abs(wanted - list.scrollTop) >= 1) {
      list.scrollTop = wanted;
    }
    this.#at = list.scrollTop;
    this.#tellNewer();
    if (this.#isPinned && document.visibilityState === "visible" && this.#conversation !== null) {
      this.#missed = 0;
      this.#state.conversations.read(this.#conversation);
    }
  }

  /** @param {Message[]} messages @param {number} first @param {number} last */
  #fill(messages, first, last) {
    const wanted = new Set(messages.slice(first, last + 1));
    this.#drop([...this.#views.keys()].filter(message => !wanted.has(message)));
    let before = /** @type {Node} */ (this.#below);
    for (let index = last; index >= first; index--) {
      const message = messages[index];
      let view = this.#views.get(message);
      if (view === undefined) {
        view = new MessageView(message, messages[index - 1], /** @type {Conversation} */ (this.#conversation), {
          delivery: this.#state.delivery, isFirstUnread: message === this.#firstUnreadMessage, onChange: () => this.#schedule(),
        });
        this.#views.set(message, view);
        this.#resize.observe(view.element);
      }
      if (view.element.nextSibling !== before) {
        this.list.insertBefore(view.element, before);
      }
      view.place(index + 1, messages.length);
      before = view.element;
    }
  }

  /** @param {Message[]} messages */
  #measure(messages) {
    for (const [message, view] of this.#views) {
      const index = this.#conversation?.find(message.number) ?? -1;
      if (index >= 0 && messages[index] === message && view.element.isConnected) {
        this.#heights.set(index, view.element.offsetHeight);
      }
    }
  }

  /** @param {number} first @param {number} last */
  #spread(first, last) {
    this.#above.style.blockSize = `${this.#heights.offset(first)}px`;
    this.#below.style.blockSize = `${this.#heights.total - this.#heights.offset(last + 1)}px`;
  }

  /** @param {Message[]} messages */
  #drop(messages) {
    for (const message of messages) {
      const view = this.#views.get(message);
      if (view !== undefined) {
        this.#resize.unobserve(view.element);
        view.element.remove();
        view.end();
        this.#views.delete(message);
      }
    }
  }

  #tellNewer() {
    const isHidden = this.#isPinned || this.#heights.count === 0;
    if (this.#newer.hidden !== isHidden || this.#newer.dataset.count !== String(this.#missed)) {
      this.#newer.hidden = isHidden;
      this.#newer.dataset.count = String(this.#missed);
      this.#newer.replaceChildren(icon("arrowDown"), this.#missed > 0 ? t("chat.new-below", { count: this.#missed }) : t("chat.to-end"));
    }
  }

  // Page Up and Page Down move between articles while one has the focus, as the feed pattern has it; on the list they scroll.
  /** @param {KeyboardEvent} event */
  #onKey(event) {
    const article = event.target instanceof Element ? event.target.closest("article") : null;
    const step = event.key === "PageDown" ? 1 : event.key === "PageUp" ? -1 : 0;
    if (article === null || step === 0 || this.#conversation === null) {
      return;
    }
    event.preventDefault();
    const index = Number(article.getAttribute("aria-posinset")) - 1 + step;
    const message = this.#conversation.messages[index];
    if (message !== undefined) {
      this.#isPinned = index === this.#conversation.messages.length - 1;
      const [top, height] = [this.#heights.offset(index), this.#heights.get(index)];
      if (top < this.list.scrollTop || top + height > this.list.scrollTop + this.list.clientHeight) {
        this.list.scrollTop = step > 0 ? Math.min(top, top + height - this.list.clientHeight) : top;
      }
      this.#render();
      this.#views.get(message)?.focus();
    }
  }
}

/** How high a message will be, roughly. @param {Message} message @param {number} width */
function estimate(message, width) {
  const perLine = Math.max(20, Math.min(width * 0.75, 680) / 7.6);
  const lines = message.text.split("\n", 200).reduce((sum, line) => sum + Math.max(1, Math.ceil(line.length / perLine)), 0);
  return 62 + 23 * lines + 160 * ((message.files?.length ?? 0) + (message.content?.length ?? 0)) + (message.structured === undefined ? 0 : 120);
}
