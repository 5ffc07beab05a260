// The right column: what the agent that is open can do. What is tried there is part of the conversation.
import { t } from "../../i18n/index.js";
import { h } from "../dom.js";
import { icon } from "../icons.js";

/** @typedef {import("../tools/browser.js").DawnToolBrowser} DawnToolBrowser */

/** @param {import("../../state/state.js").State} state @param {AbortSignal} until */
export function toolsPanel(state, until) {
  const browser = /** @type {DawnToolBrowser} */ (document.createElement("dawn-tool-browser"));
  browser.dataset.testid = "tools";
  const nothing = h("p", { class: "nothing" });
  const show = () => {
    const conversation = state.conversations.current.value;
    const agent = conversation === null ? null : state.agents.find(conversation.id);
    const isOnline = state.status.value.state === "online";
    browser.hidden = agent === null || !isOnline;
    nothing.hidden = !browser.hidden;
    nothing.textContent = t(!isOnline ? "app.tools-offline" : "app.tools-none-open");
    if (!browser.hidden && browser.agent?.address !== agent?.address) {
      browser.agent = agent;
    }
  };
  // It brings forms and their checks along, which the first look at the page can do without.
  void import("../tools/browser.js").then(() => {
    if (!until.aborted) {
      customElements.upgrade(browser);
      browser.connect = (address, options) => state.agents.connect(address, options);
      browser.addEventListener("dawn-result", event => record(state, /** @type {CustomEvent<import("../tools/call.js").Result>} */ (event).detail), { signal: until });
      for (const signal of [state.agents.all, state.conversations.current, state.status]) {
        signal.follow(show, until);
      }
    }
  }, error => console.error(error));
  return h("aside", { class: "tools-panel", id: "tools", "aria-label": t("app.tools") },
    h("div", { class: "panel-header" }, h("h2", {}, t("app.tools")), h("button", { type: "button", class: "icon-button drawer-close", "aria-label": t("app.close"), onclick: () => { state.drawer.value = null; } }, icon("close"))),
    nothing, browser);
}

/** @param {import("../../state/state.js").State} state @param {import("../tools/call.js").Result} call */
function record(state, call) {
  const conversation = state.conversations.find(call.agent.address);
  if (call.kind === "tool" && conversation !== null) {
    void conversation.load().then(() => state.delivery.record(conversation, call));
  }
}
