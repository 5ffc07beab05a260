// Objects: the properties that the schema names, and further ones under names of their own.
import { t } from "../../i18n/index.js";
import { h, uniqueId } from "../dom.js";
import { group, labelOf } from "./frame.js";
import { fieldOf, initial, isObject } from "./schema.js";
import { anyEditor } from "./scalars.js";

/** @typedef {import("./schema.js").Field} Field */
/** @typedef {import("./schema.js").Schema} Schema */
/** @typedef {import("./editor.js").Editor} Editor */
/** @typedef {import("./editor.js").Context} Context */
/** @typedef {(schema: unknown, value: any, context: Context) => Editor} Make */
/** @typedef {{ name: () => string, editor: Editor, element: HTMLElement }} Row */

/** @param {Field} field @param {any} value @param {Context} context @param {Make} make @returns {Editor} */
export function objectEditor(field, value, context, make) {
  if (value !== undefined && !isObject(value)) {
    return anyEditor(field, value, context);
  }
  // The outermost is the form itself: it has no frame, and is there always.
  const isOutermost = context.depth === 0;
  const { element, complain, focus } = isOutermost ? bareGroup(context) : group(field, context, []);
  const body = h("div", { class: "field-body" });
  element.append(body);
  /** @type {ReturnType<typeof contents> | null} */
  let inner = null;

  /** @param {any} now */
  const show = now => {
    inner = now === undefined && !context.isRequired && !isOutermost ? null : contents(field, now ?? {}, context, make);
    const toggle = context.isRequired || isOutermost ? null : inner === null
      ? h("button", { type: "button", class: "field-button", onclick: () => { show(initial(field.schema, context.root, true, context.depth) ?? {}); inner?.focus(); context.changed(); } }, t("tools.form.add", { name: labelOf(field, context) }))
      : h("button", { type: "button", class: "field-button", onclick: () => { show(undefined); toggleFocus(); context.changed(); } }, t("tools.form.remove", { name: labelOf(field, context) }));
    const toggleFocus = () => /** @type {HTMLElement | null} */ (body.querySelector("button"))?.focus();
    body.replaceChildren(...(inner === null ? [] : [inner.element]), ...(toggle === null ? [] : [toggle]));
  };
  show(value);
  /** @type {Editor} */
  const editor = {
    element, complain, focus,
    get: () => inner?.get(),
    schema: () => inner?.schema() ?? field.schema,
    find: path => path.length === 0 ? editor : inner?.part(path[0])?.find(path.slice(1)),
    parts: () => inner?.parts() ?? [],
  };
  return editor;
}

/** @param {Context} context */
function bareGroup(context) {
  const error = h("p", { class: "field-error", hidden: true });
  const element = h("div", { class: "field-root", tabindex: -1, "data-name": context.name }, error);
  return { element, complain: (/** @type {string} */ message) => { error.textContent = message; error.hidden = message === ""; }, focus: () => element.focus() };
}

/** @param {Field} field @param {Record<string, any>} value @param {Context} context @param {Make} make */
function contents(field, value, context, make) {
  const below = { ...context, depth: context.depth + 1, isItem: false };
  const named = (field.properties ?? []).map(property => {
    const complete = completing(context, () => value, () => editors);
    return { name: property.name, editor: make(property.schema, value[property.name], { ...below, name: property.name, isRequired: property.isRequired, complete }) };
  });
  const editors = new Map(named.map(one => [one.name, one.editor]));
  // Tools without parameters say no more than `object`: nothing is asked for, and JSON takes what else there may be.
  const isSilent = context.depth === 0 && field.schema.additionalProperties === undefined && field.schema.patternProperties === undefined;
  const { rows, element: map } = field.additional === null || field.additional === undefined || isSilent ? { rows: /** @type {Row[]} */ ([]), element: null } : mapRows(field, value, below, make);
  // What the schema doesn't speak of, and the form doesn't show, stays.
  const unseen = map === null ? Object.entries(value).filter(([name]) => !editors.has(name)) : [];
  const parts = () => [...editors.values(), ...rows.map(row => row.editor)];
  return {
    element: h("div", { class: "field-list" }, named.map(one => one.editor.element), map),
    parts,
    part: (/** @type {string} */ name) => editors.get(name) ?? rows.find(row => row.name() === name)?.editor,
    focus: () => parts()[0]?.focus(),
    get: () => {
      const all = [...[...editors].map(([name, editor]) => [name, editor.get()]), ...rows.filter(row => row.name() !== "").map(row => [row.name(), row.editor.get() ?? null]), ...unseen];
      return Object.fromEntries(all.filter(([, one]) => one !== undefined));
    },
    /** @returns {Schema} */
    schema: () => ({ ...field.schema, properties: { ...field.schema.properties, ...Object.fromEntries([...editors].map(([name, editor]) => [name, editor.schema()])) } }),
  };
}

/** Completion of one argument is told the others. @param {Context} context @param {() => Record<string, any>} before @param {() => Map<string, Editor>} editors @returns {Context["complete"]} */
function completing(context, before, editors) {
  const { complete } = context;
  return complete === null || context.depth > 0 ? null : (name, typed) => {
    const others = Object.entries({ ...before(), ...Object.fromEntries([...editors()].map(([other, editor]) => [other, editor.get()])) });
    return complete(name, typed, Object.fromEntries(others.filter(([other, value]) => other !== name && typeof value === "string")));
  };
}

/** Names that people choose, each with a value. @param {Field} field @param {Record<string, any>} value @param {Context} context @param {Make} make */
function mapRows(field, value, context, make) {
  const schema = field.additional ?? {};
  const known = new Set((field.properties ?? []).map(property => property.name));
  /** @type {Row[]} */
  const rows = [];
  const list = h("div", { class: "field-rows" });

  /** @param {string} name @param {any} one */
  const add = (name, one) => {
    const input = h("input", { class: "field-control", id: uniqueId("key"), type: "text", value: name, autocomplete: "off", spellcheck: "false", dir: "auto", oninput: context.changed });
    const what = fieldOf(schema, context.root, context.depth);
    const editor = make(schema, one, { ...context, name: what.title ?? t("tools.form.value"), isRequired: true, isItem: true, complete: null });
    const remove = h("button", { type: "button", class: "field-button", onclick: () => {
      rows.splice(rows.indexOf(row), 1);
      element.remove();
      more.focus();
      context.changed();
    } }, t("tools.form.removeEntry"));
    const element = h("div", { class: "field-entry", role: "group", "aria-label": t("tools.form.entry") }, h("div", { class: "field" }, h("label", { class: "field-label", for: input.id }, t("tools.form.key")), input), editor.element, remove);
    const row = { name: () => input.value.trim(), editor, element };
    rows.push(row);
    list.append(element);
    return input;
  };
  for (const [name, one] of Object.entries(value)) {
    if (!known.has(name)) {
      add(name, one);
    }
  }
  const more = h("button", { type: "button", class: "field-button", onclick: () => { add("", initial(schema, context.root, true, context.depth)).focus(); context.changed(); } }, t("tools.form.addEntry"));
  return { rows, element: h("div", { class: "field-map" }, list, more) };
}
