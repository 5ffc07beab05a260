// One node: who it is, how it is reached, and whether its key was compared.
import { t } from "../../i18n/index.js";
import { fill, h, oneAtATime, uniqueId } from "../dom.js";
import { structured } from "../tools/structured.js";
import { groupsOf, qrCode, wordsOfText } from "./fingerprint.js";
import { milliseconds } from "./graph.js";

/** @typedef {import("./model.js").GraphNode} GraphNode */
/** @typedef {import("./verification.js").Trust} Trust */

/**
 * @typedef {object} DetailOptions
 * @property {Trust} trust
 * @property {string} name
 * @property {(name: string) => void} verify
 * @property {() => void} forget
 * @property {(address: string) => void} openAgent
 * @property {(() => Promise<any>) | null} trace Null where the home node traces nothing for this page.
 */

/** @param {GraphNode} node @param {DetailOptions} options @returns {HTMLElement} */
export function nodeDetail(node, { trust, name, verify, forget, openAgent, trace }) {
  const facts = /** @type {[string, string | HTMLElement | null][]} */ ([
    ["network.state", t(`network.state.${node.state}`)],
    ["network.role", node.role === "" ? null : t(`network.role.${node.role}`)],
    ["network.mode", node.mode || null],
    ["network.asks", node.encryption === "" ? null : t(`network.asks.${node.encryption.toLowerCase()}`)],
    ["network.link", node.link === null ? null : linkText(node.link)],
    ["network.addresses", node.addresses.length === 0 ? null : h("ul", { class: "plain" }, node.addresses.map(address => h("li", {}, h("code", { dir: "ltr" }, address))))],
    ["network.agents", node.agents.length === 0 ? null : h("ul", { class: "plain" }, node.agents.map(agent => h("li", {}, h("button", { type: "button", class: "field-link", dir: "auto", onclick: () => openAgent(agent.address) }, agent.title || agent.agent))))],
  ]);
  return h("section", { class: "node-detail", "data-testid": "node", "data-status": node.state, "aria-label": name },
    h("h2", { tabindex: -1, dir: "auto" }, name, node.kind === "node" ? null : h("span", { class: "field-hint" }, ` ${t(`network.kind.${node.kind}`)}`)),
    h("dl", { class: "facts" }, facts.filter(([, value]) => value !== null).flatMap(([key, value]) => [h("dt", {}, t(key)), h("dd", {}, value)])),
    keyView(node, trust, name, verify, forget),
    trace === null || node.kind === "self" ? null : traceView(trace));
}

/** @param {import("./model.js").GraphLink} link */
export const linkText = link => [link.kind === "route" ? t("network.route") : link.transport, link.encryption === "" ? "" : t(`network.encryption.${link.encryption}`), link.rttMs === null ? "" : milliseconds(link.rttMs)].filter(Boolean).join(", ");

/** The key, to be compared with what the other end shows. @param {GraphNode} node @param {Trust} trust @param {string} name @param {DetailOptions["verify"]} verify @param {DetailOptions["forget"]} forget */
function keyView(node, trust, name, verify, forget) {
  const isSelf = node.kind === "self";
  const words = h("ol", { class: "key-words", lang: "en", dir: "ltr", "data-testid": "words" });
  void wordsOfText(node.id).then(all => fill(words, all.map(word => h("li", {}, word))));
  const qr = h("div", {});
  const id = uniqueId("name");
  const input = h("input", { class: "field-control", id, type: "text", autocomplete: "off", maxlength: 80, dir: "auto", value: name === node.id.slice(0, 10) ? "" : name });
  const date = (/** @type {number} */ at) => new Date(at).toLocaleDateString(document.documentElement.lang || undefined, { dateStyle: "long" });
  const state = isSelf ? null : h("div", { class: "trust", "data-testid": "trust", "data-status": trust.state },
    h("p", { class: "trust-title" }, t(`network.trust.${trust.state}`)),
    h("p", {}, trust.state === "unverified" ? t("network.trust.why.unverified") : t(`network.trust.why.${trust.state}`, { name: trust.by.name || trust.by.node.slice(0, 10), date: date(trust.by.at) })),
    trust.state === "verified"
      ? h("button", { type: "button", class: "field-button", onclick: forget }, t("network.trust.forget"))
      : h("div", { class: "trust-form" }, h("div", { class: "field" }, h("label", { class: "field-label", for: id }, t("network.trust.name")), input),
        h("button", { type: "button", class: "field-button button-primary", "data-testid": "verify", onclick: () => verify(input.value.trim()) }, t(trust.state === "changed" ? "network.trust.again" : "network.trust.match"))));
  return h("div", { class: "key" },
    h("h3", {}, t("network.key")), h("p", { class: "field-hint" }, t(isSelf ? "network.key.own" : "network.key.how")),
    words, h("p", { class: "key-groups", dir: "ltr" }, groupsOf(node.id).map(group => [h("span", {}, group), " "]).flat()),
    h("details", { class: "tree", ontoggle: () => qr.childElementCount === 0 && qr.append(qrCode(node.id, t("network.key.qr"))) }, h("summary", {}, t("network.key.qr")), qr),
    state);
}

/** @param {() => Promise<any>} trace */
function traceView(trace) {
  const output = h("div", { role: "status" });
  const button = h("button", { type: "button", class: "field-button", onclick: () => oneAtATime(button, async () => {
    fill(output, t("network.tracing"));
    try {
      const { path, complete } = await trace();
      fill(output, structured({ [t("network.hops")]: path }), complete ? null : h("p", { class: "field-hint" }, t("network.incomplete")));
    } catch (error) {
      fill(output, h("p", { class: "field-error" }, error instanceof Error ? error.message : String(error)));
    }
  }) }, t("network.trace"));
  return h("div", { class: "trace" }, button, output);
}
