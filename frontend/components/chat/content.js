// What messages hold: Markdown, code, pictures, sound, files, and structured results as tables.
import { t } from "../../i18n/index.js";
import { loadMarkdown, renderer } from "../../services/markdown.js";
import { size } from "../../state/size.js";
import { h } from "../dom.js";
import { icon } from "../icons.js";

const maxRows = 200;
const maxCell = 400;

/**
 * Puts Markdown into an element: as it is until the parser is there, which is once in a visit.
 * @param {Element} element @param {string} text @param {{ whole: boolean, onChange: () => void }} options `whole`: nothing more will come, so that code is worth colouring.
 */
export function markdown(element, text, { whole, onChange }) {
  if (renderer === null) {
    element.textContent = text;
    void loadMarkdown().then(() => {
      if (element.textContent === text) {
        markdown(element, text, { whole, onChange });
        onChange();
      }
    }, error => console.error(error));
    return;
  }
  renderer.parse(text, element);
  for (const code of element.querySelectorAll("pre > code")) {
    const language = /language-([\w#+-]+)/.exec(code.className)?.[1] ?? "";
    const source = code.textContent ?? "";
    const block = /** @type {HTMLElement} */ (code.parentElement);
    block.tabIndex = 0;
    const frame = h("div", { class: "code" }, h("div", { class: "code-header" }, h("span", {}, language || t("chat.code")), copyButton(() => source)));
    block.replaceWith(frame);
    frame.append(block);
    if (whole && language !== "") {
      void renderer.highlight(source, language, code).catch(error => console.error(error));
    }
  }
}

/** @param {() => string} text */
export function copyButton(text) {
  const button = h("button", { type: "button", class: "icon-button small", "aria-label": t("chat.copy"), title: t("chat.copy") }, icon("copy"));
  button.addEventListener("click", () => void navigator.clipboard.writeText(text()).then(() => {
    button.replaceChildren(icon("check"));
    button.setAttribute("aria-label", t("chat.copied"));
    setTimeout(() => {
      button.replaceChildren(icon("copy"));
      button.setAttribute("aria-label", t("chat.copy"));
    }, 1_500);
  }, error => console.warn("Nothing was copied.", error)));
  return button;
}

/** An MCP content block that is no text. @param {any} block @param {AbortSignal} until When addresses of what is shown are given back. */
export function contentBlock(block, until) {
  switch (block?.type) {
    case "image":
    case "audio":
      return media(bytes(block.data, block.mimeType), block.mimeType, t(block.type === "image" ? "chat.image" : "chat.audio"), until);
    case "resource":
      return typeof block.resource?.text === "string"
        ? h("details", { class: "resource-block" }, h("summary", {}, String(block.resource.uri)), h("pre", { tabindex: 0 }, h("code", {}, block.resource.text)))
        : media(bytes(block.resource?.blob, block.resource?.mimeType), String(block.resource?.mimeType ?? ""), String(block.resource?.uri ?? t("chat.file")).split("/").pop() ?? "", until);
    case "resource_link":
      return h("p", { class: "resource-link" }, icon("file"), " ", String(block.title ?? block.name ?? block.uri), " ", h("code", {}, String(block.uri)));
    default:
      return h("details", { class: "resource-block" }, h("summary", {}, String(block?.type ?? t("chat.unknown"))), h("pre", { tabindex: 0 }, h("code", {}, JSON.stringify(block, null, 2))));
  }
}

/** A file, shown as what it is. @param {Blob} data @param {string} type @param {string} name @param {AbortSignal} until */
export function media(data, type, name, until) {
  const url = URL.createObjectURL(data);
  until.addEventListener("abort", () => URL.revokeObjectURL(url), { once: true });
  switch (type?.split("/")[0]) {
    case "image":
      return h("figure", { class: "media-figure" }, h("img", { src: url, alt: name, loading: "lazy" }), h("figcaption", {}, name));
    case "audio":
      return h("figure", { class: "media-figure" }, h("audio", { src: url, controls: true, "aria-label": name }), h("figcaption", {}, name));
    default:
      return h("a", { class: "file", href: url, download: name }, icon("file"), h("span", {}, name), h("small", {}, size(data.size)));
  }
}

/** A structured result: objects as rows of name and value, lists of objects as tables. @param {unknown} value @returns {Node} */
export function structured(value) {
  if (Array.isArray(value) && value.length > 0 && value.every(isObject)) {
    const columns = [...new Set(value.slice(0, maxRows).flatMap(row => Object.keys(row)))].slice(0, 20);
    return h("div", { class: "scroll-x", tabindex: 0 }, h("table", {},
      h("thead", {}, h("tr", {}, columns.map(column => h("th", { scope: "col" }, column)))),
      h("tbody", {}, value.slice(0, maxRows).map(row => h("tr", {}, columns.map(column => h("td", {}, cell(row[column]))))))),
      value.length > maxRows ? h("p", { class: "quiet" }, t("chat.more-rows", { count: value.length - maxRows })) : null);
  }
  if (Array.isArray(value)) {
    return value.length === 0 ? h("span", { class: "quiet" }, t("chat.empty-list")) : h("ul", { class: "plain-list" }, value.slice(0, maxRows).map(one => h("li", {}, cell(one))));
  }
  if (isObject(value)) {
    const entries = Object.entries(value);
    // A result that is one list, as MCP requires an object around it.
    if (entries.length === 1 && Array.isArray(entries[0][1]) && entries[0][1].length > 0) {
      return structured(entries[0][1]);
    }
    return h("div", { class: "scroll-x", tabindex: 0 }, h("table", { class: "fact-table" }, h("tbody", {}, entries.slice(0, maxRows).map(([name, one]) => h("tr", {}, h("th", { scope: "row" }, name), h("td", {}, cell(one)))))));
  }
  return document.createTextNode(String(value));
}

/** @param {unknown} value @returns {Node | string} */
function cell(value) {
  if (value === null || value === undefined) {
    return h("span", { class: "quiet" }, "–");
  }
  if (typeof value === "object") {
    const isFlat = Array.isArray(value) && value.every(one => typeof one !== "object");
    return isFlat ? value.join(", ").slice(0, maxCell) : h("details", {}, h("summary", {}, Array.isArray(value) ? t("chat.entries", { count: value.length }) : t("chat.details")), structured(value));
  }
  const text = String(value).slice(0, maxCell);
  // Words stay whole in a narrow column; what has no place to break, as a key, breaks anywhere.
  return /\S{25}/.test(text) ? h("span", { class: "long" }, text) : text;
}

/** @param {unknown} base64 @param {string} type */
function bytes(base64, type) {
  try {
    return new Blob([Uint8Array.from(atob(String(base64)), character => character.charCodeAt(0))], { type });
  } catch {
    return new Blob([], { type }); // not base64: nothing to show, which the size tells
  }
}

/** @param {unknown} value @returns {value is Record<string, unknown>} */
const isObject = value => typeof value === "object" && value !== null && !Array.isArray(value);
