// Fields of one value each, by the browser's own controls.
import { t } from "../../i18n/index.js";
import { h, uniqueId } from "../dom.js";
import { combobox } from "./combobox.js";
import { frame, group, labelOf } from "./frame.js";
import { same } from "./schema.js";

/** @typedef {import("./schema.js").Field} Field */
/** @typedef {import("./editor.js").Editor} Editor */
/** @typedef {import("./editor.js").Context} Context */

/** @type {Record<string, string>} */
const inputTypes = { date: "date", "date-time": "datetime-local", email: "email", "idn-email": "email", uri: "url", iri: "url", password: "password" };
/** @type {Record<string, string>} */
const samples = { time: "14:30:00Z", uuid: "123e4567-e89b-12d3-a456-426614174000", hostname: "example.org", ipv4: "192.0.2.1", ipv6: "2001:db8::1", duration: "PT1H30M", regex: "^a.*z$", "json-pointer": "/a/0" };

/** @param {Field} field @param {Editor["element"]} element @param {Partial<Editor> & Pick<Editor, "get" | "complain" | "focus">} rest @returns {Editor} */
const leaf = (field, element, rest) => {
  /** @type {Editor} */
  const editor = { element, schema: () => field.schema, find: path => path.length === 0 ? editor : undefined, ...rest };
  return editor;
};

/** @param {Field} field @param {string | undefined} value @param {Context} context */
export function stringEditor(field, value, context) {
  const { schema } = field;
  const format = typeof schema.format === "string" ? schema.format : "";
  const type = inputTypes[format] ?? "text";
  // What the control can't show it would lose.
  const fits = type !== "date" || value === undefined || /^\d{4}-\d\d-\d\d$/.test(value);
  const isTime = type === "datetime-local" && (value === undefined || !Number.isNaN(Date.parse(value)));
  const isLong = type === "text" && format === "" && schema.enum === undefined && (schema.contentMediaType !== undefined || (schema.maxLength ?? 0) > 200 || /\n/.test(value ?? "") || /^(text|body|content|code|query|prompt|message|markdown)$/i.test(context.name));
  const attributes = {
    class: "field-control", name: context.name, autocomplete: "off", spellcheck: isLong ? "true" : "false", placeholder: samples[format] ?? (Array.isArray(schema.examples) ? schema.examples[0] : undefined), readonly: schema.readOnly === true,
    minlength: schema.minLength, maxlength: undefined, oninput: () => { touched = true; context.changed(); },
  };
  let touched = false;
  const control = isLong
    ? h("textarea", { ...attributes, rows: 3, dir: "auto" })
    : h("input", { ...attributes, type: isTime ? "datetime-local" : type === "datetime-local" || !fits ? "text" : type, step: isTime ? 1 : undefined, dir: type === "text" ? "auto" : undefined });
  control.value = value === undefined ? "" : isTime ? local(value) : value;
  const shown = context.complete === null ? control : combobox(/** @type {HTMLInputElement} */ (control), typed => context.complete?.(context.name, typed, {}) ?? Promise.resolve([]));
  return leaf(field, ...withFrame(field, context, control, shown, {
    get: () => {
      if (!touched) {
        return value;
      }
      return control.value === "" ? undefined : isTime ? new Date(control.value).toISOString() : control.value;
    },
    fault: () => control.validity.badInput ? t("tools.form.error.format", { limit: format }) : "",
  }));
}

/** A moment as the control writes it, in the person's own zone. @param {string} value */
function local(value) {
  const moment = new Date(value);
  return new Date(moment.getTime() - moment.getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
}

/** @param {Field} field @param {Context} context @param {HTMLElement} control @param {HTMLElement} shown @param {Partial<Editor> & Pick<Editor, "get">} rest @returns {[HTMLElement, Partial<Editor> & Pick<Editor, "get" | "complain" | "focus">]} */
function withFrame(field, context, control, shown, rest) {
  const { element, complain, focus } = frame(field, context, control, shown);
  return [element, { complain, focus, ...rest }];
}

/** @param {Field} field @param {number | undefined} value @param {Context} context */
export function numberEditor(field, value, context) {
  const { schema } = field;
  const control = h("input", {
    class: "field-control", name: context.name, type: "number", inputmode: field.kind === "integer" ? "numeric" : "decimal", step: schema.multipleOf ?? (field.kind === "integer" ? 1 : "any"),
    min: schema.minimum, max: schema.maximum, autocomplete: "off", readonly: schema.readOnly === true, value: value ?? "", oninput: context.changed,
  });
  return leaf(field, ...withFrame(field, context, control, control, {
    get: () => control.value === "" ? undefined : Number(control.value),
    fault: () => control.validity.badInput ? t("tools.form.error.type", { limit: field.kind }) : "",
  }));
}

/** @param {Field} field @param {boolean | undefined} value @param {Context} context */
export function booleanEditor(field, value, context) {
  if (value === undefined) {
    // Left out is an answer of its own.
    const control = h("select", { class: "field-control", name: context.name, onchange: context.changed }, ["", "true", "false"].map(choice => h("option", { value: choice }, choice === "" ? t("tools.form.unset") : t(`tools.form.${choice}`))));
    return leaf(field, ...withFrame(field, context, control, control, { get: () => control.value === "" ? undefined : control.value === "true" }));
  }
  const control = h("input", { type: "checkbox", name: context.name, checked: value, onchange: context.changed });
  const { element, complain, focus } = frame(field, { ...context, isRequired: false }, control);
  element.classList.add("field-check");
  return leaf(field, element, { complain, focus, get: () => control.checked });
}

/** @param {Field} field @param {any} value @param {Context} context */
export function choiceEditor(field, value, context) {
  const options = field.options ?? [];
  const chosen = options.findIndex(option => same(option.value, value));
  if (context.isRequired && options.length <= 4 && options.some(option => option.description !== undefined)) {
    return radioEditor(field, chosen, context);
  }
  const isForeign = chosen < 0 && value !== undefined;
  const control = h("select", { class: "field-control", name: context.name, onchange: context.changed },
    h("option", { value: "" }, context.isRequired ? t("tools.form.choose") : t("tools.form.unset")),
    options.map((option, index) => h("option", { value: index, title: option.description }, option.title)),
    isForeign ? h("option", { value: "foreign" }, JSON.stringify(value)) : null);
  control.value = isForeign ? "foreign" : chosen < 0 ? "" : String(chosen);
  return leaf(field, ...withFrame(field, context, control, control, { get: () => control.value === "" ? undefined : control.value === "foreign" ? value : options[Number(control.value)].value }));
}

/** @param {Field} field @param {number} chosen @param {Context} context */
function radioEditor(field, chosen, context) {
  const name = uniqueId("radio");
  const inputs = (field.options ?? []).map((option, index) => {
    const input = h("input", { type: "radio", name, id: uniqueId("choice"), checked: index === chosen, onchange: context.changed });
    return { input, row: h("div", { class: "field-option" }, input, h("label", { for: input.id }, option.title, option.description === undefined ? null : h("span", { class: "field-hint" }, option.description))) };
  });
  const { element, complain } = group(field, context, inputs.map(one => one.row));
  return leaf(field, element, { complain, focus: () => (inputs.find(one => one.input.checked) ?? inputs[0])?.input.focus(), get: () => field.options?.[inputs.findIndex(one => one.input.checked)]?.value });
}

/** Several of some: an array whose items are choices. @param {Field} field @param {any[] | undefined} value @param {Context} context */
export function choicesEditor(field, value, context) {
  const options = field.options ?? [];
  const foreign = (value ?? []).filter(one => !options.some(option => same(option.value, one)));
  const inputs = options.map(option => {
    const input = h("input", { type: "checkbox", id: uniqueId("choice"), checked: (value ?? []).some(one => same(one, option.value)), onchange: context.changed });
    return { input, row: h("div", { class: "field-option" }, input, h("label", { for: input.id }, option.title, option.description === undefined ? null : h("span", { class: "field-hint" }, option.description))) };
  });
  const { element, complain } = group(field, context, inputs.map(one => one.row));
  return leaf(field, element, {
    complain, focus: () => inputs[0]?.input.focus(),
    get: () => {
      const chosen = [...options.filter((_, index) => inputs[index].input.checked).map(option => option.value), ...foreign];
      return chosen.length === 0 && value === undefined && !context.isRequired ? undefined : chosen;
    },
  });
}

/** What can't be otherwise. @param {Field} field @param {any} value @param {Context} context */
export function fixedEditor(field, value, context) {
  const only = field.kind === "null" ? null : field.schema.const;
  const element = h("div", { class: "field field-fixed", "data-kind": field.kind, "data-name": context.name },
    h("span", { class: "field-label" }, labelOf(field, context)), field.description === undefined ? null : h("p", { class: "field-hint" }, field.description), h("output", { tabindex: -1 }, JSON.stringify(only)));
  return leaf(field, element, { complain: () => {}, focus: () => /** @type {HTMLElement} */ (element.lastElementChild).focus(), get: () => context.isRequired || value !== undefined ? only : undefined });
}

/** What has no field of its own is written as JSON. @param {Field} field @param {any} value @param {Context} context */
export function anyEditor(field, value, context) {
  const control = h("textarea", { class: "field-control field-json", rows: 3, name: context.name, spellcheck: "false", autocomplete: "off", dir: "ltr", placeholder: t("tools.form.json"), oninput: context.changed });
  control.value = value === undefined ? "" : JSON.stringify(value, null, 2);
  const parse = () => {
    try {
      return { value: control.value.trim() === "" ? undefined : JSON.parse(control.value), message: "" };
    } catch (error) {
      return { value: undefined, message: t("tools.form.error.json", { text: error instanceof Error ? error.message : "" }) };
    }
  };
  return leaf(field, ...withFrame(field, context, control, control, { get: () => parse().value, fault: () => parse().message }));
}
