// `elicitation/create`: an agent asks a person for something, by a form or at an address of its own (MCP 2025-11-25, client/elicitation).
import { t } from "../../i18n/index.js";
import { McpError } from "../../services/mcp.js";
import { h } from "../dom.js";
import { DawnForm } from "../form/form.js";
import { isObject } from "../form/schema.js";
import { ask, button, words } from "./dialog.js";

/** @typedef {{ action: "accept" | "decline" | "cancel", content?: Record<string, unknown> }} Elicited */
/** @typedef {{ title: string, address: string }} Asker */

const invalidParams = -32602;

/** @param {Asker} asker @param {any} params @param {AbortSignal} signal @returns {Promise<Elicited>} */
export function elicit(asker, params, signal) {
  if (!isObject(params) || typeof params.message !== "string") {
    throw new McpError(invalidParams, "'elicitation/create' needs a message.");
  }
  return params.mode === "url" ? elicitByAddress(asker, params, signal) : elicitByForm(asker, params, signal);
}

/** @param {Asker} asker @param {any} params @param {AbortSignal} signal @returns {Promise<Elicited>} */
function elicitByForm(asker, params, signal) {
  return ask(/** @type {import("./dialog.js").Question<Elicited>} */ ({
    title: t("tools.elicit.title"), asker, signal, dismissed: { action: "cancel" }, kind: "elicitation",
    build: answer => {
      const form = new DawnForm();
      form.isPlain = true;
      form.schema = params.requestedSchema;
      const send = () => form.check() && answer({ action: "accept", content: form.value });
      form.addEventListener("keydown", event => {
        if (event.key === "Enter" && event.target instanceof HTMLInputElement && event.target.type !== "checkbox" && !event.defaultPrevented) {
          event.preventDefault();
          send();
        }
      });
      return {
        body: [words(params.message), h("p", { class: "dialog-caution" }, t("tools.elicit.caution")), form],
        buttons: [button(t("tools.ask.cancel"), () => answer({ action: "cancel" }), "", "cancel"), button(t("tools.elicit.decline"), () => answer({ action: "decline" }), "", "decline"), button(t("tools.elicit.accept"), send, "button-primary", "accept")],
        first: () => form.focusFirst(),
      };
    },
  }));
}

/** @param {Asker} asker @param {any} params @param {AbortSignal} signal @returns {Promise<Elicited>} */
function elicitByAddress(asker, params, signal) {
  const address = safeAddress(params.url);
  if (address === null) {
    throw new McpError(invalidParams, "The address has to be one of https, or of http on this machine.");
  }
  return ask(/** @type {import("./dialog.js").Question<Elicited>} */ ({
    title: t("tools.elicit.urlTitle"), asker, signal, dismissed: { action: "cancel" }, kind: "elicitation-url",
    build: answer => {
      const no = button(t("tools.elicit.decline"), () => answer({ action: "decline" }), "", "decline");
      // Never fetched beforehand, and opened without a way back to this page.
      const go = () => {
        window.open(address.href, "_blank", "noopener,noreferrer");
        answer({ action: "accept" });
      };
      return {
        body: [
          words(params.message), h("p", {}, t("tools.elicit.url")),
          h("p", { class: "dialog-address", dir: "ltr", "data-testid": "address" }, `${address.protocol}//`, h("strong", {}, address.host), address.href.slice(address.origin.length)),
          address.username === "" ? null : h("p", { class: "dialog-caution" }, t("tools.elicit.credentials")),
          address.hostname.split(".").some(part => part.startsWith("xn--")) ? h("p", { class: "dialog-caution" }, t("tools.elicit.punycode")) : null,
        ],
        buttons: [button(t("tools.ask.cancel"), () => answer({ action: "cancel" }), "", "cancel"), no, button(t("tools.elicit.open"), go, "button-primary", "accept")],
        first: () => no.focus(),
      };
    },
  }));
}

/** What a person may be sent to. @param {unknown} text @returns {URL | null} */
export function safeAddress(text) {
  if (typeof text !== "string" || text.length > 8_192 || !URL.canParse(text)) {
    return null;
  }
  const address = new URL(text);
  const isLocal = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(address.hostname);
  return address.protocol === "https:" || (address.protocol === "http:" && isLocal) ? address : null;
}
