// `<dawn-tool-browser>`: what one agent offers, and a place to use it.
import { language, t } from "../../i18n/index.js";
import { fill, h, uniqueId } from "../dom.js";
import { same } from "../form/schema.js";
import { callEntries, drawEntry, matching, promptEntries, resourceEntries, toolEntries } from "./catalogue.js";
import { Connection } from "./connection.js";
import { historyPanel, promptPanel, resourcePanel, templatePanel, toolPanel } from "./panels.js";
import { tabList } from "./tabs.js";
import { WindowedList } from "./windowed.js";

/** @typedef {import("../../services/node.js").AgentEntry} AgentEntry */
/** @typedef {import("./catalogue.js").Entry} Entry */
/** @typedef {import("./call.js").Call} Call */
/** @typedef {"tools" | "resources" | "prompts" | "history"} Tab */

const maxHistory = 200;
const maxDrafts = 200;

/**
 * Properties: `agent` (an AgentEntry, or null), `connect(address, { onNotification })` → an McpClient. Method: `open(kind, name, arguments)`.
 * Events: `dawn-result` (`detail` as {@link import("./call.js").Result}) when a call has ended.
 * `data-status`: `idle`, `connecting`, `ready`, `failed`.
 */
export class DawnToolBrowser extends HTMLElement {
  /** @type {AgentEntry | null} */
  #agent = null;
  /** @type {import("./connection.js").Connect | null} */
  #connect = null;
  /** @type {Connection | null} */
  #connection = null;
  /** @type {Tab} */
  #tab = "tools";
  #search = "";
  /** @type {string | null} */
  #chosen = null;
  /** Calls by the agent's address, oldest first. @type {Map<string, Call[]>} */
  #calls = new Map();
  /** What was filled in and left. @type {Map<string, any>} */
  #drafts = new Map();
  /** @type {import("./panels.js").Panel | null} */
  #panel = null;
  /** What the panel was made of. @type {any} */
  #item = null;
  #panelUntil = new AbortController();
  #until = new AbortController();
  /** @type {{ tabs: ReturnType<typeof tabList>, list: WindowedList<Entry>, search: HTMLInputElement, detail: HTMLElement, found: HTMLElement, state: HTMLElement, body: HTMLElement } | null} */
  #parts = null;

  connectedCallback() {
    this.dataset.testid ??= "tools";
    this.#until = new AbortController();
    language.follow(() => this.#build(), this.#until.signal);
    this.#reconnect();
  }

  disconnectedCallback() {
    this.#until.abort();
    this.#panelUntil.abort();
    this.#connection?.close();
    this.#connection = null;
    this.#panel = null;
  }

  get agent() {
    return this.#agent;
  }

  set agent(agent) {
    const isOther = agent?.address !== this.#agent?.address;
    this.#agent = agent;
    if (isOther) {
      this.#leave();
      this.#tab = "tools";
      this.#search = "";
      this.#build();
      this.#reconnect();
    }
  }

  get connect() {
    return this.#connect;
  }

  set connect(connect) {
    this.#connect = connect;
    this.#reconnect();
  }

  /** Shows something of the agent by its name, filled in, as soon as it is known. @param {"tool" | "resource" | "prompt"} kind @param {string} name @param {Record<string, unknown>} [args] */
  open(kind, name, args) {
    const key = `${kind} ${name}`;
    this.#leavePanel();
    if (args !== undefined) {
      this.#keep(key, args);
    }
    this.#goTo(kind === "tool" ? "tools" : kind === "prompt" ? "prompts" : "resources");
    this.#chosen = key;
    this.#choose(this.#find(key) ?? (kind === "resource" ? this.#looseResource(name) : null));
  }

  #build() {
    if (!this.isConnected) {
      return;
    }
    this.#leavePanel();
    const tabs = tabList(t("tools.tabs"), ["tools", "resources", "prompts", "history"].map(name => ({ name, title: t(`tools.tab.${name}`) })), name => this.#goTo(/** @type {Tab} */ (name)));
    const search = h("input", { class: "field-control", type: "search", id: uniqueId("search"), autocomplete: "off", spellcheck: "false", value: this.#search, placeholder: t("tools.search"), "aria-label": t("tools.search"), oninput: () => {
      this.#search = search.value;
      this.#list();
    }, onkeydown: (/** @type {KeyboardEvent} */ event) => {
      if (event.key === "ArrowDown") {
        event.preventDefault();
        list.element.focus();
      }
    } });
    const list = new WindowedList(t("tools.list"), drawEntry, entry => {
      this.#choose(entry);
      this.#focusDetail();
    });
    const [detail, found, state] = [h("div", { class: "detail" }), h("p", { class: "found field-hint", role: "status" }), h("div", { class: "browser-state" })];
    const body = h("div", { class: "browser-body", role: "tabpanel", id: tabs.panel, "data-view": "list" }, h("div", { class: "catalogue" }, search, found, list.element), detail);
    this.#parts = { tabs, list, search, detail, found, state, body };
    fill(this, state, tabs.element, body);
    this.#goTo(this.#tab);
    this.#state();
  }

  #reconnect() {
    if (!this.isConnected || this.#agent === null || this.#connect === null) {
      this.#state();
      return;
    }
    if (this.#connection?.address === this.#agent.address) {
      return;
    }
    this.#connection?.close();
    const connection = new Connection(this.#agent.address, (address, options) => /** @type {import("./connection.js").Connect} */ (this.#connect)(address, options));
    this.#connection = connection;
    const isMine = () => this.#connection === connection;
    connection.addEventListener("state", () => isMine() && this.#state());
    connection.addEventListener("list", () => isMine() && this.#onList());
    connection.open().catch(() => {}); // shown by its state
  }

  #leave() {
    this.#leavePanel();
    this.#connection?.close();
    this.#connection = null;
    this.#chosen = null;
  }

  #leavePanel() {
    if (this.#panel !== null && this.#chosen !== null) {
      const values = this.#panel.values();
      if (values !== undefined) {
        this.#keep(this.#chosen, values);
      }
    }
    this.#panelUntil.abort();
    this.#panel = null;
  }

  /** @param {string} key @param {any} values */
  #keep(key, values) {
    const whole = `${this.#agent?.address} ${key}`;
    this.#drafts.delete(whole);
    this.#drafts.set(whole, values);
    if (this.#drafts.size > maxDrafts) {
      this.#drafts.delete(/** @type {string} */ (this.#drafts.keys().next().value));
    }
  }

  #state() {
    const connection = this.#connection;
    const status = this.#agent === null ? "idle" : connection === null || connection.state === "closed" ? "connecting" : connection.state;
    this.dataset.status = status;
    const parts = this.#parts;
    if (parts === null) {
      return;
    }
    const name = this.#agent?.title || this.#agent?.agent || "";
    parts.tabs.element.hidden = parts.body.hidden = status === "idle" || (status === "connecting" && this.#entries().length === 0);
    fill(parts.state, status === "idle" ? h("p", { class: "empty" }, t("tools.idle"))
      : status === "connecting" ? h("p", { class: "empty", role: "status" }, t("tools.connecting", { name }))
      : connection?.error ? h("div", { class: "browser-error", role: "alert" }, h("p", {}, t("tools.failed", { name }), " ", h("span", { dir: "auto" }, String(connection.error.message ?? connection.error))),
        status === "failed" ? h("button", { type: "button", class: "field-button", onclick: () => connection.open().catch(() => {}) }, t("tools.again")) : null)
      : null);
    if (status === "ready") {
      this.#onList();
    }
  }

  /** @returns {Entry[]} */
  #entriesOf(/** @type {Tab} */ tab) {
    const lists = this.#connection?.lists;
    return tab === "history" ? callEntries(this.#history()) : lists === undefined ? [] : tab === "tools" ? toolEntries(lists.tools) : tab === "prompts" ? promptEntries(lists.prompts) : resourceEntries(lists.resources, lists.resourceTemplates);
  }

  #entries() {
    return this.#entriesOf(this.#tab);
  }

  #history() {
    return this.#calls.get(this.#agent?.address ?? "") ?? [];
  }

  /** @param {string | null} key */
  #find(key) {
    return this.#entries().find(entry => entry.key === key) ?? null;
  }

  /** One that a link names and no list has. @param {string} uri @returns {Entry} */
  #looseResource(uri) {
    return { key: `resource ${uri}`, kind: "resource", title: uri, below: "", text: uri, badge: "", status: "", item: { uri, name: uri } };
  }

  #onList() {
    for (const tab of /** @type {const} */ (["tools", "resources", "prompts"])) {
      this.#parts?.tabs.count(tab, this.#entriesOf(tab).length);
    }
    this.#list();
    const entry = this.#find(this.#chosen);
    // Opened before the list was here, or another by the same name now; else what is open stays as it is, with its result.
    if (entry !== null && entry.kind !== "call" && (this.#panel === null || !same(entry.item, this.#item))) {
      this.#choose(entry);
    }
  }

  #list() {
    const parts = this.#parts;
    if (parts === null) {
      return;
    }
    const all = this.#entries();
    const shown = matching(all, this.#search);
    parts.list.show(shown, shown.find(entry => entry.key === this.#chosen) ?? null);
    parts.found.textContent = all.length === 0 ? t(`tools.none.${this.#tab}`) : shown.length === all.length ? "" : shown.length === 0 ? t("tools.noMatch") : t("tools.found", { count: shown.length, total: all.length });
    parts.search.hidden = all.length === 0;
  }

  /** @param {Tab} tab */
  #goTo(tab) {
    const parts = this.#parts;
    const isOther = tab !== this.#tab;
    if (isOther) {
      this.#leavePanel();
      this.#search = "";
      this.#tab = tab;
      if (this.#chosen !== null && this.#find(this.#chosen) === null) {
        this.#chosen = null;
      }
    }
    if (parts === null) {
      return;
    }
    parts.tabs.mark(tab);
    parts.body.setAttribute("aria-labelledby", parts.tabs.id(tab));
    parts.search.value = this.#search;
    this.#onList();
    if (this.#panel === null) {
      parts.body.dataset.view = "list";
      fill(parts.detail, h("p", { class: "empty" }, t(`tools.choose.${tab}`)));
    }
  }

  /** @param {Entry | null} entry */
  #choose(entry) {
    const [parts, connection, agent] = [this.#parts, this.#connection, this.#agent];
    if (entry === null || parts === null || connection === null || agent === null) {
      return;
    }
    this.#leavePanel();
    this.#chosen = entry.key;
    this.#panelUntil = new AbortController();
    /** @type {import("./panels.js").Surroundings} */
    const around = { agent, connection, until: this.#panelUntil.signal, follow: uri => this.#follow(uri), onCall: call => this.#onCall(call) };
    const before = this.#drafts.get(`${agent.address} ${entry.key}`);
    const panel = entry.kind === "tool" ? toolPanel(entry.item, around, before) : entry.kind === "prompt" ? promptPanel(entry.item, around, before)
      : entry.kind === "template" ? templatePanel(entry.item, around, before) : entry.kind === "resource" ? resourcePanel(entry.item, around) : historyPanel(entry.item, around, () => this.#repeat(entry.item));
    this.#panel = panel;
    this.#item = entry.item;
    const back = h("button", { type: "button", class: "field-button back", onclick: () => {
      parts.body.dataset.view = "list";
      parts.list.element.focus();
    } }, t("tools.back"));
    fill(parts.detail, back, panel.element);
    parts.body.dataset.view = "detail";
    parts.detail.scrollTop = 0;
    const listed = parts.list.items.find(one => one.key === entry.key) ?? null;
    parts.list.mark(listed);
  }

  #focusDetail() {
    /** @type {HTMLElement | null | undefined} */ (this.#parts?.detail.querySelector("h2"))?.focus();
  }

  /** @param {string} uri */
  #follow(uri) {
    this.open("resource", uri);
    void this.#panel?.run();
    this.#focusDetail();
  }

  /** @param {Call} call */
  #repeat(call) {
    this.open(call.kind, call.name, call.kind === "resource" ? undefined : call.arguments);
    if (this.#panel !== null && this.#chosen === `${call.kind} ${call.name}`) {
      void this.#panel.run();
      this.#focusDetail();
    }
  }

  /** @param {Call} call */
  #onCall(call) {
    const address = call.agent.address;
    const calls = this.#calls.get(address) ?? [];
    calls.push(call);
    calls.splice(0, calls.length - maxHistory);
    this.#calls.set(address, calls);
    const onChange = () => {
      if (call.status !== "running") {
        call.removeEventListener("change", onChange);
        if (this.#tab === "history" && this.#agent?.address === address) {
          this.#list();
        }
        this.dispatchEvent(new CustomEvent("dawn-result", { bubbles: true, detail: call.summary }));
      }
    };
    call.addEventListener("change", onChange);
  }
}

customElements.define("dawn-tool-browser", DawnToolBrowser);
