// Alternatives: one of several shapes, or nothing at all.
import { t } from "../../i18n/index.js";
import { h } from "../dom.js";
import { frame, group, labelOf } from "./frame.js";
import { initial, isObject } from "./schema.js";
import { validate } from "./validation.js";

/** @typedef {import("./schema.js").Field} Field */
/** @typedef {import("./editor.js").Editor} Editor */
/** @typedef {import("./editor.js").Context} Context */

/** @param {Field} field @param {any} value @param {Context} context @param {(schema: unknown, value: any, context: Context) => Editor} make @returns {Editor} */
export function variantsEditor(field, value, context, make) {
  const variants = field.variants ?? [];
  const inside = h("div", { class: "field-body" });
  /** @type {Editor | null} */
  let inner = null;
  let chosen = value === undefined && !context.isRequired ? -1 : fitting(variants, value, context);

  /** @param {any} now */
  const show = now => {
    inner = chosen < 0 ? null : make(variants[chosen].schema, now, { ...context, depth: Math.max(1, context.depth + 1), isRequired: true, isItem: true, name: variants[chosen].title });
    inside.replaceChildren(...(inner === null ? [] : [inner.element]));
  };
  const select = h("select", { class: "field-control", onchange: () => {
    const before = inner?.get();
    chosen = select.value === "" ? -1 : Number(select.value);
    const fresh = chosen < 0 ? undefined : initial(variants[chosen].schema, context.root, true, context.depth + 1);
    // What both shapes have is not typed twice; a tag that tells them apart is the new one's.
    show(isObject(fresh) && isObject(before) ? { ...common(before, variants[chosen].schema), ...fresh } : fresh);
    context.changed();
  } },
  context.isRequired ? null : h("option", { value: "" }, t("tools.form.unset")), variants.map((variant, index) => h("option", { value: index }, variant.title)));
  select.value = chosen < 0 ? "" : String(chosen);
  show(value);
  const chooser = frame({ ...field, title: t("tools.form.variant"), description: undefined }, { ...context, isRequired: false }, select);
  const { element, complain } = group(field, context, [chooser.element, inside]);
  /** @type {Editor} */
  const editor = {
    element, complain, focus: chooser.focus,
    get: () => inner?.get(),
    schema: () => inner?.schema() ?? field.schema,
    find: path => path.length === 0 ? (inner?.find([]) ?? editor) : inner?.find(path),
    parts: () => inner === null ? [] : [inner],
  };
  return editor;
}

/** The first shape that a value has. @param {import("./schema.js").Variant[]} variants @param {any} value @param {Context} context */
function fitting(variants, value, context) {
  if (value === undefined) {
    return 0;
  }
  const { $defs, definitions } = context.root;
  const fits = variants.findIndex(variant => validate(value, { $defs, definitions, ...variant.schema })?.length === 0);
  const type = value === null ? "null" : Array.isArray(value) ? "array" : typeof value;
  return fits >= 0 ? fits : Math.max(0, variants.findIndex(variant => variant.schema.type === type || (variant.schema.type === "integer" && type === "number") || (variant.schema.properties !== undefined && type === "object")));
}

/** @param {Record<string, any>} value @param {Record<string, any>} schema */
const common = (value, schema) => Object.fromEntries(Object.entries(value).filter(([name]) => {
  const property = schema.properties?.[name];
  return isObject(property) && !Object.hasOwn(property, "const");
}));

/** A field that may be null: said by a box beside it. @param {Field} field @param {any} value @param {Context} context @param {(field: Field, value: any, context: Context) => Editor} make @returns {Editor} */
export function nullableEditor(field, value, context, make) {
  const inner = make({ ...field, nullable: false }, value ?? undefined, { ...context, isRequired: false });
  const label = labelOf(field, context);
  const box = h("input", { type: "checkbox", checked: value === null, onchange: () => { apply(); context.changed(); } });
  const row = frame({ ...field, kind: "null", title: t("tools.form.null", { name: label }), description: undefined }, { ...context, isRequired: false }, box);
  row.element.classList.add("field-check", "field-null");
  const apply = () => {
    inner.element.inert = box.checked;
    inner.element.classList.toggle("field-off", box.checked);
  };
  apply();
  /** @type {Editor} */
  const editor = {
    element: h("div", { class: "field-nullable" }, inner.element, row.element),
    get: () => box.checked ? null : inner.get(),
    schema: () => box.checked ? { type: "null" } : inner.schema(),
    find: path => path.length === 0 ? editor : box.checked ? undefined : inner.find(path),
    complain: message => inner.complain(message),
    focus: () => box.checked ? row.focus() : inner.focus(),
    parts: () => box.checked ? [] : [inner],
  };
  return editor;
}
