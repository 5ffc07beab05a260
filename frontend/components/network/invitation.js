// A ticket for another machine or browser, from the home node where it makes one for this page.
import { t } from "../../i18n/index.js";
import { fill, h, oneAtATime } from "../dom.js";
import { DawnForm } from "../form/form.js";
import { qrCode } from "./fingerprint.js";

/** @param {import("./facts.js").HomeFacts} facts @returns {HTMLElement} */
export function invitation(facts) {
  const form = new DawnForm();
  form.isPlain = true;
  form.schema = {
    type: "object", required: ["role", "uses", "expiresSeconds"],
    properties: {
      role: { title: t("network.invite.role"), default: "guest", oneOf: ["guest", "browser", "member"].map(role => ({ const: role, title: t(`network.invite.${role}`) })) },
      uses: { title: t("network.invite.uses"), type: "integer", minimum: 1, maximum: 1_000, default: 1 },
      expiresSeconds: { title: t("network.invite.expires"), default: 600, oneOf: [600, 3_600, 86_400, 604_800].map(seconds => ({ const: seconds, title: t(`network.invite.${seconds}`) })) },
    },
  };
  const output = h("div", { class: "ticket-output", role: "status" });
  const make = h("button", { type: "button", class: "field-button button-primary", "data-testid": "invite", onclick: () => oneAtATime(make, async () => {
    if (!form.check()) {
      return;
    }
    try {
      fill(output, ticketView(await facts.call("invite", form.value)));
    } catch (error) {
      fill(output, h("p", { class: "field-error" }, error instanceof Error ? error.message : String(error)));
    }
  }) }, t("network.invite.make"));
  return h("div", { class: "invitation" }, h("div", {}, h("p", {}, t("network.invite.what")), form, h("div", { class: "panel-actions" }, make)), output);
}

/** @param {{ ticket: string, role: string, uses: number, expires: string }} made */
function ticketView(made) {
  const copied = h("span", { class: "field-hint" });
  const until = new Date(made.expires);
  return h("div", { class: "ticket", "data-testid": "ticket" },
    h("p", {}, t("network.invite.made", { until: Number.isNaN(until.getTime()) ? made.expires : until.toLocaleString(document.documentElement.lang || undefined), count: made.uses })),
    qrCode(made.ticket, t("network.invite.qr")),
    h("code", { class: "ticket-text", dir: "ltr" }, made.ticket),
    h("div", { class: "panel-actions" }, h("button", { type: "button", class: "field-button", onclick: () => void navigator.clipboard.writeText(made.ticket).then(() => { copied.textContent = t("tools.call.copied"); }, () => { copied.textContent = t("tools.call.notCopied"); }) }, t("tools.call.copy")), copied),
    h("p", { class: "field-hint" }, t("network.invite.how")), h("code", { class: "ticket-text", dir: "ltr" }, "dawn join -"));
}
