// A call as people see it: how far it is, a way to cancel it, what came of it, and the messages themselves.
import { t } from "../../i18n/index.js";
import { fill, h } from "../dom.js";
import { contentsView, promptView, resultView } from "./content.js";

/** @typedef {import("./call.js").Call} Call */

const maxRaw = 200_000;

/**
 * @param {Call} call @param {{ follow: ((uri: string) => void) | null, until: AbortSignal }} options
 * @returns {HTMLElement}
 */
export function callView(call, { follow, until }) {
  const bar = h("progress", { class: "call-bar", "aria-label": t("tools.call.progress") });
  const [says, time] = [h("span", { class: "call-says", dir: "auto" }), h("span", { class: "call-time", dir: "ltr" })];
  const cancel = h("button", { type: "button", class: "field-button", "data-action": "cancel", onclick: () => { cancel.setAttribute("aria-disabled", "true"); call.cancel(); } }, t("tools.call.cancel"));
  const head = h("div", { class: "call-head" }, h("p", { class: "call-status", role: "status" }), time);
  const running = h("div", { class: "call-running" }, bar, says, cancel);
  const outcome = h("div", { class: "call-outcome" });
  const element = h("section", { class: "call", tabindex: -1, "data-testid": "call", "data-status": call.status, "aria-label": t("tools.call.title", { name: call.name }) }, head, running, outcome);
  const status = /** @type {HTMLElement} */ (head.firstElementChild);

  let shown = "";
  const update = () => {
    element.dataset.status = call.status;
    time.textContent = duration(call.duration);
    const { progress } = call;
    if (progress !== null && typeof progress.total === "number" && progress.total > 0) {
      [bar.max, bar.value] = [progress.total, Math.min(progress.progress, progress.total)];
    }
    says.textContent = progress?.message ?? (progress !== null ? t("tools.call.step", { step: progress.progress }) : "");
    if (call.status !== shown) {
      // Said once for each change: progress is seen, and read by whoever goes to the bar.
      shown = call.status;
      status.textContent = t(`tools.call.${call.result?.isError ? "error" : call.status}`);
      if (call.status !== "running" && running.contains(document.activeElement)) {
        element.focus(); // whoever cancelled goes on from here
      }
      running.hidden = call.status !== "running";
      fill(outcome, ...(call.status === "running" ? [] : outcomeOf(call, follow)));
    }
  };
  const ticking = setInterval(() => call.status === "running" ? update() : clearInterval(ticking), 500);
  call.addEventListener("change", update, { signal: until });
  until.addEventListener("abort", () => clearInterval(ticking), { once: true });
  update();
  return element;
}

/** @param {Call} call @param {((uri: string) => void) | null} follow @returns {Node[]} */
function outcomeOf(call, follow) {
  if (call.error !== null) {
    const { code, message, outcome, data } = call.error;
    return [h("div", { class: "call-error" },
      h("p", { dir: "auto" }, call.status === "cancelled" ? t("tools.call.cancelledText") : String(message ?? call.error), code === undefined || call.status === "cancelled" ? null : h("code", { dir: "ltr" }, ` ${code}`)),
      h("p", { class: "call-fate", "data-outcome": outcome ?? "answered" }, t(`tools.call.fate.${outcome ?? "answered"}`))),
    raw(call, data === undefined ? { code, message } : { code, message, data })];
  }
  const views = call.kind === "tool" ? resultView(call.result, follow) : call.kind === "prompt" ? promptView(call.result, follow)
    : (Array.isArray(call.result?.contents) ? call.result.contents : []).map(contentsView);
  return [h("div", { class: call.result?.isError ? "call-error call-content" : "call-content" }, ...views), raw(call, call.result)];
}

/** @param {Call} call @param {unknown} response */
function raw(call, response) {
  const inside = h("div", { class: "raw" });
  const details = h("details", { class: "raw-details", ontoggle: () => {
    if (inside.childElementCount === 0) {
      inside.append(pre(t("tools.call.request"), call.request), pre(t(call.error === null ? "tools.call.response" : "tools.call.errorResponse"), response));
    }
  } }, h("summary", {}, t("tools.call.raw")), inside);
  return details;
}

/** @param {string} label @param {unknown} value */
function pre(label, value) {
  const text = JSON.stringify(value, null, 2) ?? "";
  const copied = h("span", { class: "field-hint", role: "status" });
  const copy = h("button", { type: "button", class: "field-button", onclick: () => void navigator.clipboard.writeText(text).then(() => { copied.textContent = t("tools.call.copied"); }, () => { copied.textContent = t("tools.call.notCopied"); }) }, t("tools.call.copy"));
  return h("div", { class: "raw-part" }, h("div", { class: "raw-head" }, h("strong", {}, label), copy, copied), h("pre", { tabindex: 0, role: "region", "aria-label": label, dir: "ltr" }, text.slice(0, maxRaw)));
}

/** @param {number} ms */
export const duration = ms => ms < 1_000 ? `${Math.round(ms)} ms` : ms < 60_000 ? `${(ms / 1_000).toFixed(1)} s` : `${Math.floor(ms / 60_000)} min ${Math.round(ms % 60_000 / 1_000)} s`;
