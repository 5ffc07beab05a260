// Three columns, of which the outer ones become drawers where there is no room; a closed drawer is inert.
import { h } from "../dom.js";
import { t } from "../../i18n/index.js";

/** @param {import("../../state/state.js").State} state @param {{ header: HTMLElement, agents: HTMLElement, chat: HTMLElement, tools: HTMLElement }} parts @param {AbortSignal} until */
export function layout(state, { header, agents, chat, tools }, until) {
  const shade = h("div", { class: "shade", hidden: true, onclick: () => { state.drawer.value = null; } });
  const element = h("div", { class: "shell" },
    h("a", { class: "skip", href: "#chat", onclick: (/** @type {Event} */ event) => { event.preventDefault(); chat.focus(); } }, t("app.skip")), header, agents, chat, tools, shade);
  const [narrow, narrower] = [matchMedia("(max-width: 1100px)"), matchMedia("(max-width: 700px)")];
  const update = () => {
    const drawer = state.drawer.value;
    const [areDrawers, isDrawer] = [narrow.matches, narrower.matches];
    agents.inert = isDrawer && drawer !== "agents";
    tools.inert = areDrawers ? drawer !== "tools" : !state.settings.value.tools;
    agents.classList.toggle("open", drawer === "agents");
    tools.classList.toggle("open", drawer === "tools");
    shade.hidden = !(drawer === "agents" && isDrawer || drawer === "tools" && areDrawers);
    element.toggleAttribute("data-no-tools", !state.settings.value.tools);
  };
  state.settings.follow(update, until);
  let before = state.drawer.value;
  state.drawer.follow(drawer => {
    update();
    const [opened, closed] = [drawer === "agents" ? agents : drawer === "tools" ? tools : null, before !== null && drawer === null];
    before = drawer;
    if (opened !== null && !opened.inert) {
      /** @type {HTMLElement | null} */ (opened.querySelector("button, input"))?.focus();
    } else if (closed && !chat.contains(document.activeElement)) {
      chat.focus({ preventScroll: true });
    }
  }, until);
  for (const query of [narrow, narrower]) {
    query.addEventListener("change", update, { signal: until });
  }
  element.addEventListener("keydown", event => {
    if (event.key === "Escape" && state.drawer.value !== null) {
      state.drawer.value = null;
    }
  });
  return element;
}
