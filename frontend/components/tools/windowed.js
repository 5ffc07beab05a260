// A list of any length that holds only the rows in sight: a listbox by keyboard, all rows of one height.
import { h, uniqueId } from "../dom.js";

// Rows beyond what is seen, so that scrolling meets no gap.
const margin = 4;

/** @template T */
export class WindowedList {
  /** @type {readonly T[]} */
  #items = [];
  #active = -1;
  /** @type {T | null} */
  #selected = null;
  #height = 60;
  #id = uniqueId("row");
  /** @type {Map<number, HTMLElement>} */
  #rows = new Map();
  #space = h("div", { class: "windowed-space", role: "none" });
  #draw;
  #select;
  element;

  /** @param {string} label @param {(item: T) => Node[]} draw @param {(item: T) => void} select */
  constructor(label, draw, select) {
    this.#draw = draw;
    this.#select = select;
    this.element = h("div", {
      class: "windowed", role: "listbox", tabindex: 0, "aria-label": label,
      onscroll: () => this.#show(), onkeydown: (/** @type {KeyboardEvent} */ event) => this.#onKey(event),
      onfocus: () => this.#active < 0 && this.#items.length > 0 && this.#activate(Math.max(0, this.#selected === null ? 0 : this.#items.indexOf(this.#selected))),
      onclick: (/** @type {Event} */ event) => this.#onClick(event),
    }, this.#space);
    // Measured, as a person's text size decides it.
    new ResizeObserver(() => {
      this.#measure();
      this.#show();
    }).observe(this.element);
  }

  get items() {
    return this.#items;
  }

  /** @param {readonly T[]} items @param {T | null} [selected] */
  show(items, selected = this.#selected) {
    this.#items = items;
    this.#selected = selected;
    this.#active = -1;
    this.element.removeAttribute("aria-activedescendant");
    this.element.hidden = items.length === 0;
    this.#rows.forEach(row => row.remove());
    this.#rows.clear();
    this.#show();
    this.#measure();
    this.#show();
  }

  /** @param {T | null} item */
  mark(item) {
    this.#selected = item;
    this.#rows.forEach((row, index) => row.setAttribute("aria-selected", String(this.#items[index] === item)));
  }

  /** @param {T} item */
  reveal(item) {
    const index = this.#items.indexOf(item);
    if (index >= 0) {
      this.#scrollTo(index);
      this.#show();
    }
  }

  #measure() {
    const row = this.#rows.values().next().value;
    if (row !== undefined && row.offsetHeight > 0) {
      this.#height = row.offsetHeight;
    }
  }

  #show() {
    const { scrollTop, clientHeight } = this.element;
    const first = Math.max(0, Math.floor(scrollTop / this.#height) - margin);
    const end = Math.min(this.#items.length, Math.ceil((scrollTop + (clientHeight || 600)) / this.#height) + margin);
    this.#space.style.blockSize = `${this.#items.length * this.#height}px`;
    for (const [index, row] of this.#rows) {
      if ((index < first || index >= end) && index !== this.#active) {
        row.remove();
        this.#rows.delete(index);
      }
    }
    for (let index = first; index < end; index++) {
      this.#row(index);
    }
    this.#rows.forEach((row, index) => { row.style.insetBlockStart = `${index * this.#height}px`; });
  }

  /** @param {number} index */
  #row(index) {
    let row = this.#rows.get(index);
    if (row === undefined) {
      const item = this.#items[index];
      row = h("div", { class: "windowed-row", role: "option", id: `${this.#id}-${index}`, "data-index": index, "aria-posinset": index + 1, "aria-setsize": this.#items.length, "aria-selected": String(item === this.#selected) }, this.#draw(item));
      this.#rows.set(index, row);
      this.#space.append(row);
    }
    return row;
  }

  /** @param {number} index */
  #activate(index) {
    this.#rows.get(this.#active)?.removeAttribute("data-active");
    this.#active = index;
    this.#scrollTo(index);
    this.#show();
    const row = this.#row(index);
    row.setAttribute("data-active", "");
    row.style.insetBlockStart = `${index * this.#height}px`;
    this.element.setAttribute("aria-activedescendant", row.id);
  }

  /** @param {number} index */
  #scrollTo(index) {
    const [top, { scrollTop, clientHeight }] = [index * this.#height, this.element];
    if (top < scrollTop) {
      this.element.scrollTop = top;
    } else if (top + this.#height > scrollTop + clientHeight) {
      this.element.scrollTop = top + this.#height - clientHeight;
    }
  }

  /** @param {KeyboardEvent} event */
  #onKey(event) {
    const page = Math.max(1, Math.floor(this.element.clientHeight / this.#height) - 1);
    const last = this.#items.length - 1;
    /** @type {Record<string, number>} */
    const targets = { ArrowDown: this.#active + 1, ArrowUp: this.#active - 1, Home: 0, End: last, PageDown: this.#active + page, PageUp: this.#active - page };
    if (event.ctrlKey || event.altKey || event.metaKey || last < 0) {
      return;
    }
    if (Object.hasOwn(targets, event.key)) {
      event.preventDefault();
      this.#activate(Math.min(last, Math.max(0, targets[event.key])));
    } else if ((event.key === "Enter" || event.key === " ") && this.#active >= 0) {
      event.preventDefault();
      this.#select(this.#items[this.#active]);
    }
  }

  /** @param {Event} event */
  #onClick(event) {
    const row = event.target instanceof Element ? event.target.closest("[data-index]") : null;
    if (row instanceof HTMLElement) {
      this.#activate(Number(row.dataset.index));
      this.#select(this.#items[Number(row.dataset.index)]);
    }
  }
}
