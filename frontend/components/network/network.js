// `<dawn-network>`: the network as a picture and as a table, its nodes and their keys, the home node's plugins, and invitations.
import { language, t } from "../../i18n/index.js";
import { fill, h } from "../dom.js";
import { tabList } from "../tools/tabs.js";
import { HomeFacts } from "./facts.js";
import { shortId } from "./fingerprint.js";
import { Graph, milliseconds } from "./graph.js";
import { invitation } from "./invitation.js";
import { isUp, networkOf } from "./model.js";
import { nodeDetail } from "./nodeDetail.js";
import { Verifications } from "./verification.js";

/** @typedef {import("../../services/node.js").LightNode} LightNode */
/** @typedef {Pick<LightNode, "id" | "status" | "roundTrip" | "connections" | "nodes" | "agents" | "addEventListener" | "removeEventListener">} Node */
/** @typedef {import("./model.js").GraphNode} GraphNode */

const maxRows = 500;
// Registries change hundreds of times a second while a network heals; a person reads no faster than this.
const pauseMs = 150;
const refreshMs = 5_000;
const pluginStates = new Set(["active", "disabled", "failed", "notsupported"]);

/**
 * Properties: `node` (a LightNode), `connect(address, { onNotification })` → an McpClient, `store` (keeps which keys were compared).
 * Events: `dawn-open-agent` (`detail`: an agent's address) when a person chooses an agent.
 * `data-status`: as the light node's state.
 */
export class DawnNetwork extends HTMLElement {
  /** @type {Node | null} */
  #node = null;
  /** @type {import("../tools/connection.js").Connect | null} */
  #connect = null;
  /** @type {Verifications | null} */
  #keys = null;
  /** @type {HomeFacts | null} */
  #home = null;
  /** @type {"nodes" | "plugins" | "invite"} */
  #tab = "nodes";
  /** @type {string | null} */
  #chosen = null;
  #shownDetail = "";
  #until = new AbortController();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  /** @type {{ tabs: ReturnType<typeof tabList>, graph: Graph, facts: HTMLElement, note: HTMLElement, rows: HTMLElement, detail: HTMLElement, panels: Record<string, HTMLElement>, panel: HTMLElement } | null} */
  #parts = null;

  connectedCallback() {
    this.#until = new AbortController();
    language.follow(() => this.#build(), this.#until.signal);
    this.#begin();
  }

  disconnectedCallback() {
    this.#until.abort();
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#parts?.graph.stop();
    this.#home?.close();
    this.#home = null;
  }

  get node() {
    return this.#node;
  }

  set node(node) {
    this.#node = node;
    this.#restart();
  }

  get connect() {
    return this.#connect;
  }

  set connect(connect) {
    this.#connect = connect;
    this.#restart();
  }

  /** @param {import("../../services/store.js").Store} store */
  set store(store) {
    this.#keys = new Verifications(store);
    this.#keys.addEventListener("change", () => this.#soon());
    void this.#keys.load();
  }

  /** Shows a node. @param {string} id */
  choose(id) {
    this.#chosen = id;
    this.#show();
    /** @type {HTMLElement | null} */ (this.querySelector(".node-detail h2"))?.focus();
  }

  #restart() {
    if (this.isConnected) {
      this.disconnectedCallback();
      this.connectedCallback();
    }
  }

  #begin() {
    const { signal } = this.#until;
    for (const event of ["status", "agents"]) {
      this.#node?.addEventListener(event, () => this.#soon(), { signal });
    }
    this.#node?.addEventListener("status", () => {
      // Back in the network: the conversation that ended with it begins again.
      if (this.#node?.status.state === "online" && this.#home?.connection.state === "failed") {
        void this.#home.open();
      }
    }, { signal });
    const refreshing = setInterval(() => {
      if (document.visibilityState === "visible") {
        this.#home?.refresh();
        this.#soon();
      }
    }, refreshMs);
    signal.addEventListener("abort", () => clearInterval(refreshing), { once: true });
    this.#soon();
  }

  /** Another home node is another conversation. */
  #follow() {
    const home = this.#node?.status.home ?? null;
    if (this.#node === null || this.#connect === null || home === this.#home?.home || this.#node.status.state !== "online" || home === null) {
      return;
    }
    this.#home?.close();
    const facts = new HomeFacts(home, (address, options) => /** @type {import("../tools/connection.js").Connect} */ (this.#connect)(address, options));
    this.#home = facts;
    facts.addEventListener("change", () => this.#home === facts && this.#soon());
    this.#parts?.panels.invite.replaceChildren();
  }

  #soon() {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#show();
    }, this.#parts?.rows.childElementCount ? pauseMs : 0);
  }

  #build() {
    const tabs = tabList(t("network.tabs"), ["nodes", "plugins", "invite"].map(name => ({ name, title: t(`network.tab.${name}`) })), name => {
      this.#tab = /** @type {"nodes" | "plugins" | "invite"} */ (name);
      this.#show();
    });
    const [rows, detail, facts, note] = [h("tbody", {}), h("div", {}), h("dl", { class: "facts network-facts" }), h("div", { class: "browser-state", role: "status" })];
    const graph = new Graph(id => this.choose(id));
    const table = h("div", { class: "table-frame", role: "region", tabindex: 0, "aria-label": t("network.table") }, h("table", { class: "nodes" }, h("caption", {}, t("network.table")),
      h("thead", {}, h("tr", {}, ["name", "state", "link", "latency", "key"].map(column => h("th", { scope: "col" }, t(`network.column.${column}`))))), rows));
    const panels = { nodes: h("div", { class: "network-nodes" }, h("div", { class: "network-main" }, graph.element, table), detail), plugins: h("div", {}), invite: h("div", {}) };
    const panel = h("div", { class: "network-panel", role: "tabpanel", id: tabs.panel }, Object.values(panels));
    this.#parts?.graph.stop();
    this.#parts = { tabs, graph, facts, note, rows, detail, panels, panel };
    this.#shownDetail = "";
    fill(this, note, facts, tabs.element, panel);
    this.#show();
  }

  #show() {
    const [parts, node] = [this.#parts, this.#node];
    if (parts === null || node === null || !this.isConnected) {
      return;
    }
    this.#follow();
    const { status } = node;
    this.dataset.status = status.state;
    const told = this.#home?.facts ?? {};
    const { nodes, links } = networkOf({ self: node.id, home: status.home, isOnline: status.state === "online", roundTrip: node.roundTrip, sessions: node.connections().sessions, transport: location.protocol === "https:" ? "wss" : "ws", nodes: node.nodes(), agents: node.agents() }, told);
    parts.tabs.mark(this.#tab);
    parts.tabs.count("nodes", nodes.length);
    parts.tabs.count("plugins", told.plugins?.length ?? 0);
    parts.panel.setAttribute("aria-labelledby", parts.tabs.id(this.#tab));
    for (const [name, panel] of Object.entries(parts.panels)) {
      panel.hidden = name !== this.#tab;
    }
    const error = this.#home?.connection.error;
    say(parts.note, status.state !== "online" ? t("network.offline") : error ? `${t("network.silent")} ${error.message ?? error}` : "");
    this.#showFacts(told.status, status.network);
    if (this.#tab === "nodes") {
      this.#showNodes(nodes, links);
    } else if (this.#tab === "plugins") {
      this.#showPlugins(told.plugins);
    } else {
      this.#showInvite();
    }
  }

  /** @param {any} status @param {string | null} network */
  #showFacts(status, network) {
    const facts = [["network.name", network ?? status?.network], ["network.mode", status?.mode], ["network.encryption", status?.encryption === undefined ? undefined : t(`network.asks.${String(status.encryption).toLowerCase()}`)], ["network.peers", status === undefined ? undefined : `${status.peersConnected} / ${status.peersKnown}`], ["network.version", status?.version]];
    const problems = Array.isArray(status?.problems) ? status.problems : [];
    if (this.#parts !== null) {
      fill(this.#parts.facts, ...facts.filter(([, value]) => value).map(([key, value]) => h("div", {}, h("dt", {}, t(String(key))), h("dd", { dir: "auto" }, String(value)))),
        problems.length === 0 ? null : h("div", { class: "problems" }, h("dt", {}, t("network.problems")), problems.map((/** @type {any} */ one) => h("dd", { dir: "auto" }, `${one.name}: ${one.problem}`))));
    }
  }

  /** @param {GraphNode[]} nodes @param {import("./model.js").GraphLink[]} links */
  #showNodes(nodes, links) {
    const parts = this.#parts;
    if (parts === null) {
      return;
    }
    const up = new Set(nodes.filter(isUp).map(node => node.id));
    const isOnline = (/** @type {string} */ id) => up.has(id);
    const met = (/** @type {GraphNode} */ node) => ({ node: node.id, places: [...node.addresses, ...(node.kind === "home" ? [location.origin] : [])] });
    const trustOf = (/** @type {GraphNode} */ node) => this.#keys?.trust(met(node), isOnline) ?? { state: /** @type {const} */ ("unverified") };
    const nameOf = (/** @type {GraphNode} */ node) => {
      const trust = trustOf(node);
      return node.kind === "self" ? t("network.thisPage") : trust.state === "verified" && trust.by.name !== "" ? trust.by.name : shortId(node.id);
    };
    parts.graph.show(nodes, links, nameOf, node => node.kind === "self" ? "self" : trustOf(node).state, this.#chosen);

    const focused = document.activeElement instanceof HTMLElement && parts.rows.contains(document.activeElement) ? document.activeElement.dataset.node : undefined;
    fill(parts.rows, ...nodes.slice(0, maxRows).map(node => this.#row(node, nameOf(node), node.kind === "self" ? null : trustOf(node).state)),
      nodes.length > maxRows ? h("tr", {}, h("td", { colspan: 5 }, t("network.more", { count: nodes.length - maxRows }))) : null);
    if (focused !== undefined) {
      /** @type {HTMLElement | null} */ (parts.rows.querySelector(`[data-node="${focused}"]`))?.focus();
    }

    const chosen = nodes.find(node => node.id === this.#chosen);
    const trust = chosen === undefined ? null : trustOf(chosen);
    // Drawn anew only when something in it is another: a person may be writing in it.
    const looks = JSON.stringify([chosen, trust]);
    if (looks !== this.#shownDetail) {
      this.#shownDetail = looks;
      fill(parts.detail, chosen === undefined || trust === null ? h("p", { class: "empty" }, t("network.choose")) : nodeDetail(chosen, {
        trust, name: nameOf(chosen), verify: name => void this.#keys?.verify(met(chosen), name, Date.now(), isOnline), forget: () => void this.#keys?.forget(chosen.id),
        openAgent: address => this.dispatchEvent(new CustomEvent("dawn-open-agent", { bubbles: true, detail: address })),
        trace: this.#home?.offers("trace") ? () => /** @type {HomeFacts} */ (this.#home).call("trace", { address: chosen.id }) : null,
      }));
    }
  }

  /** @param {GraphNode} node @param {string} name @param {string | null} trust */
  #row(node, name, trust) {
    return h("tr", { "data-status": node.state, "data-chosen": node.id === this.#chosen },
      h("th", { scope: "row" }, h("button", { type: "button", class: "field-link", "data-node": node.id, "aria-pressed": String(node.id === this.#chosen), onclick: () => this.choose(node.id) }, h("span", { dir: "auto" }, name)),
        h("span", { class: "field-hint" }, node.kind === "node" ? t("network.agentCount", { count: node.agents.length }) : t(`network.kind.${node.kind}`))),
      h("td", {}, h("span", { class: "dot", "data-status": node.state }), t(`network.state.${node.state}`)),
      h("td", {}, node.link === null ? "–" : [node.link.kind === "route" ? t("network.route") : node.link.transport, node.link.encryption === "" ? "" : t(`network.encryption.${node.link.encryption}`)].filter(Boolean).join(", ")),
      h("td", { dir: "ltr" }, node.link?.rttMs == null ? "–" : milliseconds(node.link.rttMs)),
      h("td", {}, trust === null ? "–" : h("span", { class: "trust-mark", "data-status": trust }, t(`network.trust.${trust}`))));
  }

  /** @param {any[] | undefined} plugins */
  #showPlugins(plugins) {
    const panel = this.#parts?.panels.plugins;
    if (panel === undefined) {
      return;
    }
    const refusal = this.#home?.refusals.plugins;
    fill(panel, plugins === undefined ? h("p", { class: "empty" }, refusal === undefined ? t("network.asking") : t("network.refused", { text: refusal }))
      : h("div", { class: "table-frame", role: "region", tabindex: 0, "aria-label": t("network.tab.plugins") }, h("table", {}, h("caption", {}, t("network.plugins.caption")),
        h("thead", {}, h("tr", {}, ["name", "kind", "status", "version"].map(column => h("th", { scope: "col" }, t(`network.plugins.${column}`))))),
        h("tbody", {}, plugins.slice(0, maxRows).map(plugin => h("tr", { "data-status": plugin.status }, h("th", { scope: "row" }, plugin.name), h("td", {}, plugin.kind),
          h("td", {}, h("span", { class: "dot", "data-status": plugin.status }), pluginStates.has(plugin.status) ? t(`network.plugins.${plugin.status}`) : String(plugin.status),
            plugin.problem ? h("p", { class: plugin.status === "disabled" ? "field-hint" : "field-error", dir: "auto" }, plugin.problem) : null), h("td", {}, plugin.version ?? "–")))))));
  }

  #showInvite() {
    const panel = this.#parts?.panels.invite;
    if (panel === undefined || this.#home === null) {
      panel && fill(panel, h("p", { class: "empty" }, t("network.asking")));
      return;
    }
    const offers = this.#home.offers("invite");
    if (offers && panel.querySelector(".invitation") === null) {
      fill(panel, invitation(this.#home));
    } else if (!offers) {
      fill(panel, h("div", { class: "empty", "data-testid": "not-allowed" }, offers === null ? t("network.asking") : [h("p", {}, t("network.invite.notAllowed")), h("code", { dir: "ltr" }, "dawn invite --role browser")]));
    }
  }
}

/** Said once: a status that is set anew is read anew. @param {HTMLElement} status @param {string} text */
function say(status, text) {
  if (status.textContent !== text) {
    fill(status, text === "" ? null : h("p", { class: "empty" }, text));
  }
}

customElements.define("dawn-network", DawnNetwork);
