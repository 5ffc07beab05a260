// What may be meant, offered while a person types: the combobox pattern of the ARIA Authoring Practices, with a listbox.
import { t } from "../../i18n/index.js";
import { h, uniqueId } from "../dom.js";

const maxShown = 100;
const pauseMs = 120;

/**
 * @param {HTMLInputElement} input
 * @param {(typed: string) => Promise<string[]>} suggest A failure is no suggestion.
 * @returns {HTMLElement} What holds both.
 */
export function combobox(input, suggest) {
  const id = uniqueId("options");
  const list = h("ul", { class: "options", role: "listbox", id, hidden: true, "aria-label": t("tools.form.suggestions") });
  const status = h("span", { class: "visually-hidden", role: "status" });
  /** @type {HTMLLIElement[]} */
  let options = [];
  let active = -1;
  let asked = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  for (const [name, value] of Object.entries({ role: "combobox", "aria-autocomplete": "list", "aria-expanded": "false", "aria-controls": id })) {
    input.setAttribute(name, value);
  }

  /** @param {number} index */
  const activate = index => {
    options[active]?.setAttribute("aria-selected", "false");
    active = index;
    const option = options[index];
    option?.setAttribute("aria-selected", "true");
    option?.scrollIntoView({ block: "nearest" });
    option === undefined ? input.removeAttribute("aria-activedescendant") : input.setAttribute("aria-activedescendant", option.id);
  };
  const close = () => {
    asked++;
    clearTimeout(timer);
    list.hidden = true;
    input.setAttribute("aria-expanded", "false");
    activate(-1);
  };
  /** @param {string} value */
  const take = value => {
    input.value = value;
    input.dispatchEvent(new InputEvent("input", { bubbles: true, inputType: "insertReplacementText" }));
    close();
  };
  const open = async () => {
    const turn = ++asked;
    const values = await suggest(input.value).catch(() => /** @type {string[]} */ ([]));
    if (turn !== asked || !input.isConnected || document.activeElement !== input) {
      return; // something newer was asked, or nobody waits any more
    }
    options = values.slice(0, maxShown).map(value => h("li", { role: "option", id: uniqueId("option"), "aria-selected": "false", dir: "auto", onpointerdown: (/** @type {Event} */ event) => { event.preventDefault(); take(value); } }, value));
    list.replaceChildren(...options);
    active = -1;
    list.hidden = options.length === 0;
    input.setAttribute("aria-expanded", String(!list.hidden));
    status.textContent = options.length === 0 ? "" : t("tools.form.suggested", { count: options.length });
  };
  input.addEventListener("input", event => {
    if (/** @type {InputEvent} */ (event).inputType !== "insertReplacementText") {
      clearTimeout(timer);
      timer = setTimeout(open, pauseMs);
    }
  });
  input.addEventListener("blur", close);
  input.addEventListener("keydown", event => {
    const isOpen = !list.hidden;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (!isOpen) {
        void open();
      } else {
        const step = event.key === "ArrowDown" ? 1 : -1;
        activate(active < 0 ? (step > 0 ? 0 : options.length - 1) : (active + step + options.length) % options.length);
      }
    } else if (isOpen && event.key === "Enter" && active >= 0) {
      event.preventDefault();
      take(options[active].textContent ?? "");
    } else if (isOpen && event.key === "Escape") {
      event.preventDefault();
      event.stopPropagation();
      close();
    }
  });
  return h("div", { class: "combobox" }, input, list, status);
}
