// What a browser sees that is no member of the network: how it becomes one.
import { t } from "../../i18n/index.js";
import { fill, h, oneAtATime } from "../dom.js";

/** @param {import("../../state/state.js").State} state @param {AbortSignal} until */
export function ticketPage(state, until) {
  const problem = h("p", { class: "error", role: "alert" });
  const box = h("input", { type: "text", id: "ticket", "data-testid": "ticket", autocomplete: "off", spellcheck: "false", required: true, placeholder: "dawn1-…", "aria-describedby": "ticket-how" });
  const submit = h("button", { type: "submit", class: "button primary" }, t("app.ticket-join"));
  const element = h("main", { class: "ticket-page", id: "chat", "data-testid": "ticket-page" },
    h("h1", {}, t("app.ticket-title")), h("p", { id: "ticket-how" }, t("app.ticket-why")),
    h("ol", {}, h("li", {}, t("app.ticket-run"), h("pre", { tabindex: 0 }, h("code", {}, "dawn ui"))), h("li", {}, t("app.ticket-open"))),
    h("form", { onsubmit: (/** @type {Event} */ event) => { event.preventDefault(); void oneAtATime(submit, join); } }, h("label", { for: "ticket" }, t("app.ticket-label")), h("div", { class: "line" }, box, submit), problem),
    h("details", {}, h("summary", {}, t("app.connect-programs")), connectPrograms()));
  state.status.follow(({ error }) => fill(problem, error === null || error.code === "ticket-needed" ? "" : words(error)), until);
  return element;

  async function join() {
    fill(problem);
    try {
      // People paste the whole address as often as the ticket in it.
      await state.node.redeem(box.value.trim().replace(/^.*#/, ""));
    } catch (error) {
      fill(problem, words(/** @type {import("../../services/errors.js").DawnError} */ (error)));
      box.focus();
    }
  }
}

/** What is wrong, in the person's language where it has words for it. @param {{ code: string, message: string }} error */
function words({ code, message }) {
  const known = t(`app.error-${code}`);
  return known === `app.error-${code}` ? message : known;
}

/** How programs other than this page get at the agents. */
export function connectPrograms() {
  const mcp = `${location.origin}/mcp`;
  return h("div", { class: "connect" },
    h("p", {}, t("app.connect-all")), h("pre", { tabindex: 0 }, h("code", {}, mcp)),
    h("p", {}, t("app.connect-one")), h("pre", { tabindex: 0 }, h("code", {}, `${mcp}/first`)),
    h("p", {}, t("app.connect-stdio")), h("pre", { tabindex: 0 }, h("code", {}, '{ "mcpServers": { "dawn": { "command": "dawn", "args": ["mcp"] } } }')),
    h("p", {}, t("app.connect-cli")), h("pre", { tabindex: 0 }, h("code", {}, "dawn agents\ndawn status")));
}
