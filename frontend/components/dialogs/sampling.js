// `sampling/createMessage`: an agent asks for a message of a model. Here a person is asked, who may answer in its place (MCP 2025-11-25, client/sampling).
import { t } from "../../i18n/index.js";
import { McpError } from "../../services/mcp.js";
import { h, uniqueId } from "../dom.js";
import { isObject } from "../form/schema.js";
import { ask, button, words } from "./dialog.js";

const invalidParams = -32602;
const refused = -1;
const maxShown = 50;

/** @param {{ title: string, address: string }} asker @param {any} params @param {AbortSignal} signal */
export async function sample(asker, params, signal) {
  if (!isObject(params) || !Array.isArray(params.messages)) {
    throw new McpError(invalidParams, "'sampling/createMessage' needs messages.");
  }
  const text = await ask(/** @type {import("./dialog.js").Question<string | null>} */ ({
    title: t("tools.sample.title"), asker, signal, dismissed: null, kind: "sampling",
    build: answer => {
      const id = uniqueId("answer");
      const input = h("textarea", { class: "field-control", id, rows: 5, dir: "auto" });
      const error = h("p", { class: "field-error", id: uniqueId("error"), hidden: true, role: "alert" }, t("tools.form.error.required"));
      const send = () => {
        const isEmpty = input.value.trim() === "";
        error.hidden = !isEmpty;
        input.setAttribute("aria-invalid", String(isEmpty));
        isEmpty ? (input.setAttribute("aria-describedby", error.id), input.focus()) : answer(input.value);
      };
      const left = params.messages.length - maxShown;
      return {
        body: [
          h("p", {}, t("tools.sample.explain")),
          typeof params.systemPrompt === "string" ? h("details", {}, h("summary", {}, t("tools.sample.system")), words(params.systemPrompt)) : null,
          left > 0 ? h("p", { class: "field-hint" }, t("tools.sample.left", { count: left })) : null,
          h("ol", { class: "dialog-messages", tabindex: 0, "aria-label": t("tools.sample.messages") }, params.messages.slice(-maxShown).map(message)),
          typeof params.maxTokens === "number" ? h("p", { class: "field-hint" }, t("tools.sample.limit", { limit: params.maxTokens })) : null,
          h("div", { class: "field" }, h("label", { class: "field-label", for: id }, t("tools.sample.answer")), input, error),
        ],
        buttons: [button(t("tools.sample.refuse"), () => answer(null), "", "refuse"), button(t("tools.sample.send"), send, "button-primary", "answer")],
        first: () => input.focus(),
      };
    },
  }));
  if (text === null) {
    throw new McpError(refused, "The person refused the request.");
  }
  return { role: "assistant", content: { type: "text", text }, model: "a person", stopReason: "endTurn" };
}

/** @param {any} message */
function message(message) {
  const contents = Array.isArray(message?.content) ? message.content : [message?.content];
  return h("li", { "data-role": message?.role === "assistant" ? "assistant" : "user" }, h("strong", {}, t(message?.role === "assistant" ? "tools.sample.assistant" : "tools.sample.user")),
    contents.map((/** @type {any} */ one) => one?.type === "text" ? words(one.text) : h("p", { class: "field-hint" }, t("tools.sample.other", { type: String(one?.type ?? "?") }))));
}
