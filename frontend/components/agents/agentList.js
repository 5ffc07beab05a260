// Who can be talked to, who is there, and what has not been read.
import { language, t } from "../../i18n/index.js";
import { fill, h } from "../dom.js";
import { icon } from "../icons.js";

/** @typedef {import("../../services/node.js").AgentEntry} AgentEntry */

// A network may have thousands; more than these are found by typing.
const most = 200;

/** @param {import("../../state/state.js").State} state @param {AbortSignal} until */
export function agentList(state, until) {
  const list = h("ul", { class: "agents" });
  const count = h("p", { class: "quiet more", hidden: true });
  const filter = h("input", { type: "search", placeholder: t("app.filter-agents"), "aria-label": t("app.filter-agents"), oninput: () => show() });
  const element = h("nav", { class: "agents-panel", id: "agents", "data-testid": "agents", "aria-label": t("app.agents") },
    h("div", { class: "panel-header" }, h("h2", {}, t("app.agents")), h("button", { type: "button", class: "icon-button drawer-close", "aria-label": t("app.close"), onclick: () => { state.drawer.value = null; } }, icon("close"))),
    h("div", { class: "panel-filter" }, filter), list, count);
  let frame = 0;
  const schedule = () => {
    frame ||= requestAnimationFrame(() => {
      frame = 0;
      show();
    });
  };
  for (const signal of [state.agents.all, state.conversations.current, state.status]) {
    signal.follow(schedule, until);
  }
  state.conversations.addEventListener("change", schedule, { signal: until });
  show();
  return element;

  function show() {
    const entries = all().filter(entry => fits(entry, filter.value.trim().toLowerCase()));
    const focused = document.activeElement instanceof HTMLElement && list.contains(document.activeElement) ? document.activeElement.dataset.address : undefined;
    fill(list, entries.slice(0, most).map(item), entries.length === 0 ? h("li", { class: "nothing" }, t(filter.value !== "" ? "app.no-agent-fits" : state.status.value.state === "online" ? "app.no-agents" : "app.no-agents-yet")) : null);
    count.hidden = entries.length <= most;
    count.textContent = t("app.more-agents", { count: entries.length - most });
    if (focused !== undefined) {
      /** @type {HTMLElement | null} */ (list.querySelector(`[data-address="${CSS.escape(focused)}"]`))?.focus();
    }
  }

  // Those that were talked to and are gone stay: what was said stays.
  function all() {
    const known = state.agents.all.value;
    const addresses = new Set(known.map(agent => agent.address));
    const gone = state.conversations.all.filter(one => !addresses.has(one.id) && one.summary.lastAt > 0).map(one => ({
      address: one.id, node: one.id.slice(0, one.id.lastIndexOf(":")), agent: one.id.slice(one.id.lastIndexOf(":") + 1), title: one.summary.title, tools: [], online: false, isHome: false,
    }));
    const last = (/** @type {AgentEntry} */ agent) => state.conversations.find(agent.address)?.summary.lastAt ?? 0;
    return [...known, ...gone].sort((a, b) => last(b) - last(a) || Number(b.online) - Number(a.online) || Number(b.isHome) - Number(a.isHome) || a.title.localeCompare(b.title));
  }

  /** @param {AgentEntry} agent */
  function item(agent) {
    const summary = state.conversations.find(agent.address)?.summary;
    const isCurrent = state.conversations.current.value?.id === agent.address;
    const unread = summary?.unread ?? 0;
    const several = state.agents.all.value.filter(other => other.agent === agent.agent).length > 1;
    const detail = summary?.lastText || (several ? t("chat.on-node", { node: agent.node.slice(0, 8) }) : agent.tools.slice(0, 4).join(", ")) || t("chat.on-node", { node: agent.node.slice(0, 8) });
    return h("li", {}, h("button", {
      type: "button", class: "agent", "data-address": agent.address, "data-status": agent.online ? "online" : "offline", "aria-current": isCurrent ? "true" : null, title: agent.address,
      onclick: () => state.open(agent.address),
    },
    h("span", { class: "avatar", "aria-hidden": "true", "data-hue": hue(agent.address) }, (agent.title || agent.agent).slice(0, 1).toLocaleUpperCase(language.value)),
    h("span", { class: "agent-text" },
      h("span", { class: "agent-name" }, agent.title || agent.agent), h("span", { class: "agent-detail" }, detail)),
    h("span", { class: "agent-side" }, unread > 0 ? h("span", { class: "unread", "data-testid": "unread" }, unread > 99 ? "99+" : unread, h("span", { class: "visually-hidden" }, ` ${t("app.unread")}`)) : null, presence(agent, true))));
  }
}

/** Whether an agent is there. @param {AgentEntry | null} agent */
export const presence = (agent, isBrief = false) => h("span", { class: "presence", "data-status": agent?.online ? "online" : "offline" }, h("span", { class: "status-dot", "aria-hidden": "true" }), h("span", { class: isBrief ? "visually-hidden" : null }, t(agent?.online ? "app.online" : "app.offline")));

/** @param {AgentEntry} agent @param {string} wanted */
const fits = (agent, wanted) => wanted === "" || `${agent.title} ${agent.address} ${agent.tools.join(" ")}`.toLowerCase().includes(wanted);

/** One of six colours, always the same for an agent. @param {string} text */
const hue = text => [...text].reduce((sum, character) => (sum * 31 + character.charCodeAt(0)) % 997, 7) % 6;
