// Values as people read them: lists of objects as tables, objects as rows, whatever lies deeper as trees to open.
import { t } from "../../i18n/index.js";
import { h } from "../dom.js";
import { isObject } from "../form/schema.js";

const maxRows = 500;
const maxColumns = 30;
const maxChildren = 1_000;

/** @param {unknown} value @param {string} [label] @returns {HTMLElement} */
export function structured(value, label = t("tools.result.structured")) {
  // One list in an object is that list: MCP has structured content in objects only.
  if (isObject(value)) {
    const entries = Object.entries(value);
    if (entries.length === 1 && isTable(entries[0][1])) {
      return tableOf(/** @type {Record<string, unknown>[]} */ (entries[0][1]), entries[0][0]);
    }
    return entries.length === 0 ? h("p", { class: "field-hint" }, t("tools.result.empty")) : rowsOf(entries, label);
  }
  return isTable(value) ? tableOf(/** @type {Record<string, unknown>[]} */ (value), label) : Array.isArray(value) ? rowsOf(value.map((one, index) => [String(index + 1), one]), label) : h("p", {}, scalar(value));
}

/** @param {unknown} value */
const isTable = value => Array.isArray(value) && value.length > 0 && value.every(isObject) && new Set(value.flatMap(Object.keys)).size <= maxColumns;

/** @param {Record<string, unknown>[]} rows @param {string} label */
function tableOf(rows, label) {
  const columns = [...new Set(rows.flatMap(Object.keys))];
  return framed(label, h("table", {}, h("caption", {}, label, " ", h("span", { class: "field-hint" }, t("tools.result.rows", { count: rows.length }))),
    h("thead", {}, h("tr", {}, columns.map(column => h("th", { scope: "col" }, column)))),
    h("tbody", {}, rows.slice(0, maxRows).map(row => h("tr", {}, columns.map(column => h("td", {}, Object.hasOwn(row, column) ? cell(row[column]) : null)))))),
  rows.length - maxRows);
}

/** @param {[string, unknown][]} entries @param {string} label */
const rowsOf = (entries, label) => framed(label, h("table", {}, h("caption", { class: "visually-hidden" }, label),
  h("tbody", {}, entries.slice(0, maxRows).map(([name, one]) => h("tr", {}, h("th", { scope: "row" }, name), h("td", {}, isTable(one) ? tableOf(/** @type {any} */ (one), name) : cell(one)))))),
entries.length - maxRows);

/** Wide tables scroll in themselves, by keyboard too. @param {string} label @param {HTMLElement} table @param {number} left */
const framed = (label, table, left) => h("div", { class: "table-frame", role: "region", tabindex: 0, "aria-label": label }, table, left > 0 ? h("p", { class: "field-hint" }, t("tools.result.left", { count: left })) : null);

/** @param {unknown} value @returns {Node} */
const cell = value => typeof value === "object" && value !== null && Object.keys(value).length > 0 ? tree(value, 0) : scalar(value);

/** @param {unknown} value */
function scalar(value) {
  const kind = value === null ? "null" : Array.isArray(value) ? "list" : typeof value;
  const text = typeof value === "string" ? value : JSON.stringify(value) ?? "";
  return h("span", { class: "scalar", "data-kind": kind, dir: typeof value === "string" ? "auto" : "ltr" }, text.slice(0, 20_000));
}

/** Made as far as it is opened. @param {object} value @param {number} depth @returns {HTMLElement} */
function tree(value, depth) {
  const entries = Object.entries(value);
  const summary = Array.isArray(value) ? t("tools.result.items", { count: value.length }) : entries.slice(0, 3).map(([name]) => name).join(", ") + (entries.length > 3 ? ", …" : "");
  const list = h("ul", {});
  const fillList = () => {
    if (list.childElementCount === 0) {
      list.append(...entries.slice(0, maxChildren).map(([name, one]) => h("li", {}, h("span", { class: "tree-key" }, Array.isArray(value) ? `${Number(name) + 1}` : name), " ",
        typeof one === "object" && one !== null && Object.keys(one).length > 0 && depth < 50 ? tree(one, depth + 1) : scalar(one))));
      if (entries.length > maxChildren) {
        list.append(h("li", { class: "field-hint" }, t("tools.result.left", { count: entries.length - maxChildren })));
      }
    }
  };
  return h("details", { class: "tree", ontoggle: fillList }, h("summary", {}, summary), list);
}
