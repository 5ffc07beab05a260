// What fits what is being typed: commands and tools behind a slash, agents behind an at sign. Keys are taken only while it is open.
import { t } from "../../i18n/index.js";
import { fill, h, uniqueId } from "../dom.js";

/** @typedef {{ label: string, detail: string, text: string }} Suggestion */

const most = 8;

export class Suggestions {
  #box;
  #source;
  #take;
  /** @type {Suggestion[]} */
  #found = [];
  #chosen = 0;
  #turn = 0;
  #id = uniqueId("suggestions");

  /** @param {HTMLTextAreaElement} box @param {(typed: string) => Promise<Suggestion[]>} source @param {(text: string) => void} take */
  constructor(box, source, take) {
    this.#box = box;
    this.#source = source;
    this.#take = take;
    this.element = h("div", { class: "suggestions", role: "listbox", id: this.#id, "aria-label": t("chat.suggestions"), hidden: true });
    box.setAttribute("aria-autocomplete", "list");
    box.setAttribute("aria-controls", this.#id);
  }

  get isOpen() {
    return !this.element.hidden;
  }

  async update() {
    const { value, selectionStart } = this.#box;
    const turn = ++this.#turn;
    const typed = /^[/@]\S*$/.test(value) && selectionStart === value.length ? value : "";
    const found = typed === "" ? [] : (await this.#source(typed)).slice(0, most);
    if (turn !== this.#turn) {
      return;
    }
    this.#found = found;
    this.#chosen = 0;
    this.#show();
  }

  close() {
    this.#turn++;
    this.#found = [];
    this.#show();
  }

  /** Whether a key was meant for it. @param {KeyboardEvent} event */
  takes(event) {
    if (!this.isOpen || event.isComposing) {
      return false;
    }
    const count = this.#found.length;
    switch (event.key) {
      case "ArrowDown": this.#chosen = (this.#chosen + 1) % count; this.#show(); return true;
      case "ArrowUp": this.#chosen = (this.#chosen + count - 1) % count; this.#show(); return true;
      case "Escape": this.close(); return true;
      case "Tab":
      case "Enter": {
        const { text } = this.#found[this.#chosen];
        // What is written out already is to be sent, not completed.
        if (event.key === "Enter" && text.trim() === this.#box.value.trim()) {
          this.close();
          return false;
        }
        this.#choose(text);
        return true;
      }
      default: return false;
    }
  }

  /** @param {string} text */
  #choose(text) {
    this.close();
    this.#take(text);
  }

  #show() {
    this.element.hidden = this.#found.length === 0;
    fill(this.element, this.#found.map(({ label, detail, text }, index) => h("div", {
      role: "option", id: `${this.#id}-${index}`, "aria-selected": index === this.#chosen ? "true" : "false",
      // The text box keeps the focus.
      onpointerdown: (/** @type {Event} */ event) => { event.preventDefault(); this.#choose(text); },
    }, h("strong", {}, label), h("span", {}, detail))));
    this.#box.setAttribute("aria-activedescendant", this.#found.length === 0 ? "" : `${this.#id}-${this.#chosen}`);
  }
}
