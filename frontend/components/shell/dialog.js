// Windows above the page: the browser's own, which keep the focus and give it back.
import { t } from "../../i18n/index.js";
import { h, uniqueId } from "../dom.js";
import { icon } from "../icons.js";

/**
 * Opens one; it is gone once closed.
 * @param {string} title @param {(Node | string | null)[]} content
 * @param {{ className?: string, testId?: string, signal?: AbortSignal, hideTitle?: boolean }} [options]
 */
export function openDialog(title, content, { className = "", testId, signal, hideTitle = false } = {}) {
  const id = uniqueId("dialog");
  const dialog = h("dialog", { class: `dialog ${className}`, "aria-labelledby": id, "data-testid": testId },
    h("header", { class: hideTitle ? "visually-hidden" : "dialog-header" }, h("h2", { id }, title), hideTitle ? null : h("button", { type: "button", class: "icon-button", "aria-label": t("app.close"), onclick: () => dialog.close() }, icon("close"))),
    ...content);
  dialog.addEventListener("close", () => dialog.remove());
  // A press outside means the same as Escape.
  dialog.addEventListener("pointerdown", event => event.target === dialog && dialog.close());
  signal?.addEventListener("abort", () => dialog.close(), { once: true });
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}
