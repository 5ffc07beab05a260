// The page's head: the network and how it is, what is encrypted, search, and what a person prefers.
import { languages, t } from "../../i18n/index.js";
import { fill, h, set, svg } from "../dom.js";
import { icon } from "../icons.js";

/** @param {import("../../state/state.js").State} state @param {{ openNetwork: () => void, openHelp: () => void, openPalette: () => void, search: HTMLElement }} actions @param {AbortSignal} until */
export function appHeader(state, actions, until) {
  const network = h("button", { type: "button", class: "chip", "data-testid": "network", onclick: actions.openNetwork });
  const encryption = h("button", { type: "button", class: "chip", "data-testid": "encryption", onclick: actions.openNetwork });
  const theme = h("button", { type: "button", class: "icon-button", "data-testid": "theme", onclick: () => state.prefer({ theme: themes[(themes.indexOf(state.settings.value.theme) + 1) % themes.length] }) });
  const tools = h("button", { type: "button", class: "icon-button", "aria-controls": "tools", onclick: () => toggleTools(state) }, icon("tools"));
  const agents = h("button", { type: "button", class: "icon-button drawer-open", "aria-controls": "agents", "aria-label": t("app.agents"), onclick: () => { state.drawer.value = state.drawer.value === "agents" ? null : "agents"; } }, icon("agents"));
  const language = h("select", { "aria-label": t("app.language"), onchange: () => state.prefer({ language: language.value }) }, Object.entries(languages).map(([name, own]) => h("option", { value: name, lang: name }, own)));
  language.value = document.documentElement.lang;

  const show = () => {
    const { state: link, network: name, home } = state.status.value;
    const facts = state.network.value;
    const isOnline = link === "online";
    set(network, { "data-status": link, title: home === null ? null : t("app.home-node", { node: home }) });
    fill(network, h("span", { class: "status-dot", "aria-hidden": "true" }), h("span", {}, isOnline ? name ?? t("app.network") : t(`app.state-${link}`)),
      isOnline && facts !== null ? [h("span", { class: "wide" }, ` · ${mode(facts.mode)}`), h("span", { class: "wide", "data-testid": "peers" }, ` · ${t("app.peers", { count: facts.peers })}`)] : null);
    const sealed = isOnline ? "sealed" : "unknown";
    set(encryption, { "data-status": sealed, title: t(`app.encryption-${sealed}-why`), "aria-label": t(`app.encryption-${sealed}`) });
    fill(encryption, icon(sealed === "sealed" ? "locked" : "unlocked"), h("span", { class: "wide" }, t(`app.encryption-${sealed}`)));
  };
  state.status.follow(show, until);
  state.network.follow(show, until);
  state.settings.follow(({ theme: chosen, tools: open }) => {
    const label = t("app.theme", { name: t(`app.theme-${chosen}`) });
    set(theme, { "aria-label": label, title: label, "data-status": chosen });
    fill(theme, icon(chosen));
    set(tools, { "aria-expanded": String(open), "aria-label": t("app.tools"), title: t("app.tools") });
  }, until);

  return h("header", { class: "app-header" },
    agents,
    h("span", { class: "brand" }, svg("svg", { viewBox: "0 0 32 32", class: "logo", "aria-hidden": "true" }, svg("path", { d: "M6 22a10 10 0 0 1 20 0", class: "sun" }), svg("path", { d: "M2 26.5h28", class: "horizon" })), h("strong", {}, "Dawn")),
    network, encryption, h("span", { class: "spring" }),
    actions.search,
    h("button", { type: "button", class: "icon-button wide", "aria-label": t("app.palette"), title: t("app.palette"), onclick: actions.openPalette }, icon("command")),
    h("label", { class: "language wide", title: t("app.language") }, icon("language"), language),
    theme,
    h("button", { type: "button", class: "icon-button", "aria-label": t("app.help"), title: t("app.help"), onclick: actions.openHelp }, icon("help")),
    tools);
}

const themes = /** @type {const} */ (["auto", "light", "dark"]);

/** The tools' column, or their drawer where there is no room for one. @param {import("../../state/state.js").State} state */
export function toggleTools(state) {
  if (matchMedia("(max-width: 1100px)").matches) {
    state.drawer.value = state.drawer.value === "tools" ? null : "tools";
  } else {
    state.prefer({ tools: !state.settings.value.tools });
  }
}

/** @param {string} name */
const mode = name => ["centralized", "decentralized", "hybrid"].includes(name) ? t(`app.mode-${name}`) : name;
