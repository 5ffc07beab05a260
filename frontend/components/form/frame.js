// What is around a field's control: its name, what it is for, and what is wrong with it.
import { t } from "../../i18n/index.js";
import { h, uniqueId } from "../dom.js";

/** @typedef {import("./schema.js").Field} Field */
/** @typedef {import("./editor.js").Context} Context */

/** A field's name for people. @param {Field} field @param {Context} context */
export const labelOf = (field, context) => field.title ?? (context.name === "" ? t("tools.form.value") : context.name);

/** Label, description, control and message of a simple field. @param {Field} field @param {Context} context @param {HTMLElement} control @param {HTMLElement} [shown] What is shown for it, where that is more than the control. */
export function frame(field, context, control, shown = control) {
  const [describing, error] = [uniqueId("hint"), h("p", { class: "field-error", id: uniqueId("error"), hidden: true })];
  control.id ||= uniqueId("field");
  const hint = field.description === undefined ? null : h("p", { class: "field-hint", id: describing }, field.description);
  const label = h("label", { class: "field-label", for: control.id }, labelOf(field, context), context.isRequired && !context.isItem ? h("span", { class: "field-required" }, ` ${t("tools.form.required")}`) : null);
  if (context.isRequired) {
    control.setAttribute("aria-required", "true");
  }
  const element = h("div", { class: "field", "data-kind": field.kind, "data-name": context.name }, label, hint, shown, error);
  const describe = () => {
    const ids = [hint === null ? "" : describing, error.hidden ? "" : error.id].filter(Boolean).join(" ");
    ids === "" ? control.removeAttribute("aria-describedby") : control.setAttribute("aria-describedby", ids);
  };
  describe();
  /** @param {string} message */
  const complain = message => {
    error.textContent = message;
    error.hidden = message === "";
    message === "" ? control.removeAttribute("aria-invalid") : control.setAttribute("aria-invalid", "true");
    describe();
  };
  return { element, complain, focus: () => control.focus() };
}

/** A group of fields. @param {Field} field @param {Context} context @param {Node[]} children */
export function group(field, context, children) {
  const error = h("p", { class: "field-error", id: uniqueId("error"), hidden: true });
  const hint = field.description === undefined ? null : h("p", { class: "field-hint" }, field.description);
  const element = h("fieldset", { class: "field-group", "data-kind": field.kind, "data-name": context.name, tabindex: -1 },
    h("legend", {}, labelOf(field, context), context.isRequired && !context.isItem ? h("span", { class: "field-required" }, ` ${t("tools.form.required")}`) : null), hint, error, ...children);
  /** @param {string} message */
  const complain = message => {
    error.textContent = message;
    error.hidden = message === "";
    message === "" ? element.removeAttribute("aria-describedby") : element.setAttribute("aria-describedby", error.id);
  };
  return { element, complain, focus: () => element.focus() };
}
