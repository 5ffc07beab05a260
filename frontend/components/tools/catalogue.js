// What an agent offers, as entries of a list: found by words, drawn in two lines.
import { t } from "../../i18n/index.js";
import { h } from "../dom.js";
import { duration } from "./callView.js";

/** @typedef {{ key: string, kind: "tool" | "resource" | "template" | "prompt" | "call", title: string, below: string, text: string, badge: string, status: string, item: any }} Entry */

/** @param {Entry["kind"]} kind @param {string} name @param {any} item @param {Partial<Entry>} [more] @returns {Entry} */
const entry = (kind, name, item, more = {}) => {
  const title = text(item.title) || text(item.annotations?.title) || text(item.name) || name;
  const below = text(item.description).split("\n")[0] || (title === name ? "" : name);
  return { key: `${kind} ${name}`, kind, title, below, text: `${title} ${name} ${text(item.description)}`.toLowerCase(), badge: "", status: "", item, ...more };
};

/** @param {unknown} value */
const text = value => typeof value === "string" ? value : "";

/** @param {any[]} tools @returns {Entry[]} */
export const toolEntries = tools => tools.filter(tool => text(tool.name) !== "").map(tool => entry("tool", tool.name, tool, { badge: tool.annotations?.readOnlyHint === true ? t("tools.hint.readOnly") : tool.annotations?.destructiveHint === true ? t("tools.hint.destructive") : "" }));

/** @param {any[]} prompts @returns {Entry[]} */
export const promptEntries = prompts => prompts.filter(prompt => text(prompt.name) !== "").map(prompt => entry("prompt", prompt.name, prompt));

/** @param {any[]} resources @param {any[]} templates @returns {Entry[]} */
export const resourceEntries = (resources, templates) => [
  ...resources.filter(resource => text(resource.uri) !== "").map(resource => entry("resource", resource.uri, resource)),
  ...templates.filter(template => text(template.uriTemplate) !== "").map(template => entry("template", template.uriTemplate, template, { badge: t("tools.resource.template") })),
];

/** @param {readonly import("./call.js").Call[]} calls @returns {Entry[]} The newest first. */
export const callEntries = calls => calls.map(call => ({
  key: call.id, kind: /** @type {const} */ ("call"), title: call.name, below: `${t(`tools.kind.${call.kind}`)} · ${new Date(call.startedAt).toLocaleTimeString()} · ${call.status === "running" ? "…" : duration(call.duration)}`,
  text: `${call.name} ${JSON.stringify(call.arguments)}`.toLowerCase(), badge: t(`tools.call.${call.result?.isError ? "error" : call.status}`), status: call.status, item: call,
})).reverse();

/** Those that hold every word. @param {readonly Entry[]} entries @param {string} search */
export function matching(entries, search) {
  const words = search.toLowerCase().split(/\s+/).filter(Boolean);
  return words.length === 0 ? entries : entries.filter(one => words.every(word => one.text.includes(word)));
}

/** @param {Entry} one @returns {Node[]} */
export const drawEntry = one => [
  h("span", { class: "row-title", dir: "auto" }, one.title),
  ...(one.badge === "" ? [] : [h("span", { class: "row-badge", "data-status": one.status || undefined }, one.badge)]),
  h("span", { class: "row-below", dir: "auto" }, one.below || "\u00a0"),
];
