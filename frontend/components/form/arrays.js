// Lists: items to add, take away and put in another order.
import { t } from "../../i18n/index.js";
import { h } from "../dom.js";
import { group } from "./frame.js";
import { initial, itemSchema } from "./schema.js";

/** @typedef {import("./schema.js").Field} Field */
/** @typedef {import("./editor.js").Editor} Editor */
/** @typedef {import("./editor.js").Context} Context */

// A form of more controls than this helps nobody; the JSON view holds any number.
const maxItems = 200;

/** @param {Field} field @param {any[] | undefined} value @param {Context} context @param {(schema: unknown, value: any, context: Context) => Editor} make @returns {Editor} */
export function arrayEditor(field, value, context, make) {
  const list = h("ol", { class: "field-items" });
  const beyond = (value ?? []).slice(maxItems);
  /** @type {{ editor: Editor, row: HTMLLIElement, label: HTMLElement }[]} */
  const items = [];
  let isSet = value !== undefined;
  const status = h("p", { class: "visually-hidden", role: "status" });

  const add = h("button", { type: "button", class: "field-button", onclick: () => {
    isSet = true;
    insert(initial(itemSchema(field.schema, items.length), context.root, true, context.depth + 1));
    renumber();
    items.at(-1)?.editor.focus();
    context.changed();
  } }, t("tools.form.addItem"));

  /** @param {any} one */
  const insert = one => {
    const editor = make(itemSchema(field.schema, items.length), one, { ...context, depth: context.depth + 1, name: t("tools.form.item", { number: items.length + 1 }), isRequired: true, isItem: true, complete: null });
    const label = h("span", { class: "visually-hidden" });
    /** @param {string} key @param {string} text @param {() => void} act */
    const button = (key, text, act) => h("button", { type: "button", class: "field-button field-icon", "data-action": key, "aria-label": t(`tools.form.${key}`), title: t(`tools.form.${key}`), onclick: act }, text);
    const row = h("li", { class: "field-item" }, label, editor.element, h("div", { class: "field-actions" },
      button("moveUp", "↑", () => move(item, -1)), button("moveDown", "↓", () => move(item, 1)), button("removeItem", "×", () => remove(item))));
    const item = { editor, row, label };
    items.push(item);
    list.append(row);
  };

  /** @param {typeof items[number]} item @param {number} by */
  const move = (item, by) => {
    const from = items.indexOf(item);
    const to = from + by;
    if (to < 0 || to >= items.length) {
      return;
    }
    items.splice(to, 0, ...items.splice(from, 1));
    const focused = document.activeElement;
    by < 0 ? items[to + 1].row.before(item.row) : items[to - 1].row.after(item.row);
    renumber();
    const button = focused instanceof HTMLButtonElement && focused.disabled ? item.row.querySelector(`[data-action=${by < 0 ? "moveDown" : "moveUp"}]`) : focused;
    /** @type {HTMLElement | null} */ (button)?.focus();
    status.textContent = t("tools.form.moved", { number: to + 1, total: items.length });
    context.changed();
  };

  /** @param {typeof items[number]} item */
  const remove = item => {
    const at = items.indexOf(item);
    items.splice(at, 1);
    item.row.remove();
    renumber();
    const next = items[Math.min(at, items.length - 1)]?.row.querySelector("[data-action=removeItem]") ?? add;
    /** @type {HTMLElement} */ (next).focus();
    status.textContent = t("tools.form.removed", { total: items.length });
    context.changed();
  };

  const renumber = () => {
    items.forEach((item, index) => {
      const name = t("tools.form.item", { number: index + 1 });
      const label = item.editor.element.querySelector(":scope > label, :scope > legend");
      // A title of the schema stays; a number is where the item is now.
      if (label?.firstChild instanceof Text && /\d/.test(label.firstChild.data) && label.firstChild.data.replace(/\d+/, "") === name.replace(/\d+/, "")) {
        label.firstChild.data = name;
      }
      item.label.textContent = name;
      set(item.row, "moveUp", index === 0);
      set(item.row, "moveDown", index === items.length - 1);
    });
    add.disabled = items.length >= Math.min(maxItems, field.schema.maxItems ?? maxItems);
  };
  /** @param {HTMLElement} row @param {string} action @param {boolean} isOff */
  const set = (row, action, isOff) => { /** @type {HTMLButtonElement} */ (row.querySelector(`:scope > .field-actions > [data-action=${action}]`)).disabled = isOff; };

  (value ?? []).slice(0, maxItems).forEach(insert);
  renumber();
  const note = beyond.length === 0 ? [] : [h("p", { class: "field-hint" }, t("tools.form.beyond", { count: beyond.length }))];
  const { element, complain, focus } = group(field, context, [list, ...note, add, status]);
  /** @type {Editor} */
  const editor = {
    element, complain, focus,
    get: () => items.length === 0 && !isSet && !context.isRequired ? undefined : [...items.map(item => item.editor.get() ?? null), ...beyond],
    // What was chosen in each item decides what it is checked against.
    schema: () => items.length === 0 ? field.schema : { ...field.schema, prefixItems: items.map(item => item.editor.schema()) },
    find: path => path.length === 0 ? editor : items[Number(path[0])]?.editor.find(path.slice(1)),
    parts: () => items.map(item => item.editor),
  };
  return editor;
}
