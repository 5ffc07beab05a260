// The right column: what the agent that is open can do.
import { t } from "../../i18n/index.js";
import { fill, h } from "../dom.js";
import { icon } from "../icons.js";

/** @param {import("../../state/state.js").State} state @param {(text: string) => void} insert @param {AbortSignal} until */
export function toolsPanel(state, insert, until) {
  const list = h("ul", { class: "tool-list" });
  let turn = 0;
  const show = async () => {
    const mine = ++turn;
    const conversation = state.conversations.current.value;
    if (conversation === null || state.status.value.state !== "online") {
      fill(list, h("li", { class: "nothing" }, t(conversation === null ? "app.tools-none-open" : "app.tools-offline")));
      return;
    }
    try {
      const tools = await state.agents.tools(conversation.id);
      if (mine === turn) {
        fill(list, tools.map(tool => h("li", {}, h("button", { type: "button", onclick: () => insert(`/${tool.name} `) }, h("strong", {}, tool.title ?? tool.name), h("code", {}, `/${tool.name}`), tool.description === undefined ? null : h("span", {}, tool.description)))),
          tools.length === 0 ? h("li", { class: "nothing" }, t("chat.no-tools")) : null);
      }
    } catch (error) {
      if (mine === turn) {
        fill(list, h("li", { class: "nothing" }, error instanceof Error ? error.message : String(error)));
      }
    }
  };
  state.conversations.current.follow(() => void show(), until);
  state.status.follow(() => void show(), until);
  return h("aside", { class: "tools-panel", id: "tools", "data-testid": "tools", "aria-label": t("app.tools") },
    h("div", { class: "panel-header" }, h("h2", {}, t("app.tools")), h("button", { type: "button", class: "icon-button drawer-close", "aria-label": t("app.close"), onclick: () => { state.drawer.value = null; } }, icon("close"))), list);
}
