// One field of a form: something that shows a value and gives it back.
import { fieldOf } from "./schema.js";
import { anyEditor, booleanEditor, choiceEditor, choicesEditor, fixedEditor, numberEditor, stringEditor } from "./scalars.js";
import { arrayEditor } from "./arrays.js";
import { objectEditor } from "./objects.js";
import { nullableEditor, variantsEditor } from "./variants.js";

/** @typedef {import("./schema.js").Schema} Schema */
/** @typedef {import("./schema.js").Field} Field */

/**
 * @typedef {object} Editor
 * @property {HTMLElement} element
 * @property {() => any} get Undefined where nothing was filled in.
 * @property {() => Schema} schema What the value is checked against: the field's schema, of alternatives the chosen one.
 * @property {(path: string[]) => Editor | undefined} find The editor of a part.
 * @property {(message: string) => void} complain Shows what is wrong; nothing where empty.
 * @property {() => void} focus
 * @property {() => string} [fault] What the control itself can't make a value of.
 * @property {() => Editor[]} [parts]
 */

/**
 * @typedef {object} Context
 * @property {Schema} root What references are looked up in.
 * @property {number} depth
 * @property {string} name
 * @property {boolean} isRequired
 * @property {boolean} [isItem] One of many: that it has to be there goes without saying.
 * @property {() => void} changed
 * @property {((name: string, value: string, others: Record<string, string>) => Promise<string[]>) | null} complete
 */

/** @param {unknown} schema @param {any} value @param {Context} context @returns {Editor} */
export function makeEditor(schema, value, context) {
  const field = fieldOf(schema, context.root, context.depth);
  if (field.nullable && field.kind !== "null") {
    return nullableEditor(field, value, context, makeKind);
  }
  return makeKind(field, value, context);
}

/** @param {Field} field @param {any} value @param {Context} context @returns {Editor} */
function makeKind(field, value, context) {
  switch (field.kind) {
    case "string": return typeof value === "string" || value === undefined ? stringEditor(field, value, context) : anyEditor(field, value, context);
    case "number":
    case "integer": return typeof value === "number" || value === undefined ? numberEditor(field, value, context) : anyEditor(field, value, context);
    case "boolean": return typeof value === "boolean" || value === undefined ? booleanEditor(field, value, context) : anyEditor(field, value, context);
    case "choice": return choiceEditor(field, value, context);
    case "choices": return Array.isArray(value) || value === undefined ? choicesEditor(field, value, context) : anyEditor(field, value, context);
    case "const":
    case "null": return fixedEditor(field, value, context);
    case "object": return objectEditor(field, value, context, makeEditor);
    case "array": return Array.isArray(value) || value === undefined ? arrayEditor(field, value, context, makeEditor) : anyEditor(field, value, context);
    case "variants": return variantsEditor(field, value, context, makeEditor);
    default: return anyEditor(field, value, context);
  }
}

/** Those of an editor whose controls hold what is no value, with what they say of it. @param {Editor} editor @returns {{ editor: Editor, message: string }[]} */
export const brokenParts = editor => [
  ...(editor.fault?.() ? [{ editor, message: editor.fault() }] : []),
  ...(editor.parts?.() ?? []).flatMap(brokenParts),
];
