// What agents answer: text as it is, never as markup; pictures, sounds, resources, and links to them.
import { t } from "../../i18n/index.js";
import { h } from "../dom.js";
import { isObject } from "../form/schema.js";
import { structured } from "./structured.js";

/** @typedef {(uri: string) => void} Follow */

const maxText = 200_000;
const images = /^image\/(png|jpeg|gif|webp|avif|bmp|svg\+xml)$/;
const sounds = /^audio\/[\w.+-]+$/;
const base64 = /^[A-Za-z0-9+/\s]*={0,2}\s*$/;

/** A whole tool result. @param {any} result @param {Follow | null} follow Opens a resource of the same agent. @returns {HTMLElement[]} */
export function resultView(result, follow) {
  const blocks = Array.isArray(result?.content) ? result.content : [];
  const hasStructured = isObject(result?.structuredContent) || Array.isArray(result?.structuredContent);
  // Text that only repeats the structured content as JSON, as servers send it for old clients, is not shown twice.
  const shown = hasStructured ? blocks.filter((/** @type {any} */ block) => !(block?.type === "text" && isJson(block.text))) : blocks;
  const views = [...(hasStructured ? [structured(result.structuredContent)] : []), ...shown.map((/** @type {any} */ block) => blockView(block, follow))];
  return views.length > 0 ? views : [h("p", { class: "field-hint" }, t("tools.result.nothing"))];
}

/** @param {any} block @param {Follow | null} follow @returns {HTMLElement} */
export function blockView(block, follow) {
  switch (block?.type) {
    case "text": return textView(block.text);
    case "image":
    case "audio": return mediaView(block.data, block.mimeType, block.type) ?? unknown(block);
    case "resource": return isObject(block.resource) ? contentsView(block.resource) : unknown(block);
    case "resource_link": return linkView(block, follow);
    default: return unknown(block);
  }
}

/** What a resource holds. @param {any} contents @returns {HTMLElement} */
export const contentsView = contents => h("figure", { class: "resource" },
  h("figcaption", {}, h("code", { dir: "ltr" }, String(contents.uri ?? "")), contents.mimeType === undefined ? null : h("span", { class: "field-hint" }, ` ${contents.mimeType}`)),
  typeof contents.text === "string" ? textView(contents.text, contents.mimeType) : mediaView(contents.blob, contents.mimeType, "file") ?? unknown(contents));

/** @param {unknown} text @param {string} [mimeType] */
function textView(text, mimeType) {
  const shown = typeof text === "string" ? text : "";
  if (isJson(shown) && (mimeType === undefined || /json/.test(mimeType))) {
    return structured(JSON.parse(shown));
  }
  const isCode = mimeType !== undefined && !/^text\/(plain|markdown)/.test(mimeType);
  return h("div", { class: isCode ? "text text-code" : "text", dir: isCode ? "ltr" : "auto", ...(isCode ? { tabindex: 0, role: "region", "aria-label": mimeType } : {}) }, shown.slice(0, maxText), shown.length > maxText ? h("span", { class: "field-hint" }, ` … ${t("tools.result.cut", { count: shown.length - maxText })}`) : null);
}

/** @param {unknown} text */
function isJson(text) {
  if (typeof text !== "string" || !/^\s*[[{]/.test(text) || text.length > maxText) {
    return false;
  }
  try {
    return typeof JSON.parse(text) === "object";
  } catch {
    return false;
  }
}

/** @param {unknown} data @param {unknown} mimeType @param {string} kind @returns {HTMLElement | null} Null where it is nothing that can be shown or kept. */
function mediaView(data, mimeType, kind) {
  if (typeof data !== "string" || !base64.test(data)) {
    return null;
  }
  const type = typeof mimeType === "string" ? mimeType.toLowerCase() : "application/octet-stream";
  if (images.test(type)) {
    // As a picture even SVG runs no scripts.
    return h("img", { class: "media", src: `data:${type};base64,${data}`, alt: t("tools.result.image", { type }), decoding: "async" });
  }
  if (sounds.test(type)) {
    return h("audio", { class: "media", controls: true, src: `data:${type};base64,${data}`, "aria-label": t("tools.result.audio", { type }) });
  }
  const size = Math.floor(data.length * 3 / 4);
  const save = () => {
    const bytes = Uint8Array.from(atob(data), one => one.charCodeAt(0));
    // Always of a type that no browser shows as a page of this origin.
    const url = URL.createObjectURL(new Blob([bytes], { type: "application/octet-stream" }));
    h("a", { href: url, download: "resource" }).click();
    setTimeout(() => URL.revokeObjectURL(url), 10_000);
  };
  return h("p", {}, h("button", { type: "button", class: "field-button", onclick: save }, t("tools.result.save", { size: sizeText(size), type: kind === "file" ? type : `${kind} ${type}` })));
}

/** @param {number} bytes */
export const sizeText = bytes => bytes < 1_024 ? `${bytes} B` : bytes < 1_048_576 ? `${(bytes / 1_024).toFixed(1)} KiB` : `${(bytes / 1_048_576).toFixed(1)} MiB`;

/** @param {any} link @param {Follow | null} follow */
const linkView = (link, follow) => h("div", { class: "resource-link" },
  h("strong", { dir: "auto" }, String(link.title ?? link.name ?? link.uri)), h("code", { dir: "ltr" }, String(link.uri)),
  typeof link.description === "string" ? h("p", { class: "field-hint", dir: "auto" }, link.description) : null,
  follow === null || typeof link.uri !== "string" ? null : h("button", { type: "button", class: "field-button", onclick: () => follow(link.uri) }, t("tools.resource.read")));

/** @param {unknown} block */
const unknown = block => h("details", { class: "tree" }, h("summary", {}, t("tools.result.unknown")), h("pre", { tabindex: 0 }, JSON.stringify(block, null, 2)?.slice(0, maxText) ?? ""));

/** The messages of a prompt. @param {any} result @param {Follow | null} follow @returns {HTMLElement[]} */
export const promptView = (result, follow) => [
  ...(typeof result?.description === "string" ? [h("p", { class: "field-hint", dir: "auto" }, result.description)] : []),
  h("ol", { class: "messages" }, (Array.isArray(result?.messages) ? result.messages : []).map((/** @type {any} */ message) => h("li", { "data-role": message?.role === "assistant" ? "assistant" : "user" },
    h("strong", {}, t(message?.role === "assistant" ? "tools.sample.assistant" : "tools.sample.user")),
    (Array.isArray(message?.content) ? message.content : [message?.content]).map((/** @type {any} */ block) => blockView(block, follow))))),
];
