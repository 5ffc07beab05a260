// What a JSON Schema (2020-12) asks for, in terms of what a person fills in. Lazy: a field knows its children's schemas, and makes nothing of them before they are shown.

/** @typedef {Record<string, any>} Schema */
/** @typedef {{ value: unknown, title: string, description?: string }} Option */
/** @typedef {{ title: string, schema: Schema }} Variant */

/**
 * @typedef {object} Field
 * @property {"string" | "number" | "integer" | "boolean" | "choice" | "choices" | "const" | "null" | "object" | "array" | "variants" | "any"} kind
 * @property {Schema} schema Without references and `allOf` at its own level.
 * @property {string | undefined} title
 * @property {string | undefined} description
 * @property {boolean} nullable It may be null besides.
 * @property {Option[]} [options] Of `choice` and `choices`.
 * @property {Variant[]} [variants]
 * @property {{ name: string, schema: Schema, isRequired: boolean }[]} [properties]
 * @property {Schema | null} [additional] What further properties look like; null where there are to be none.
 * @property {Schema} [items]
 */

/** How deep forms go; beneath, a value is written as JSON. A schema may refer to itself without end. */
export const maxDepth = 12;
const maxReferences = 32;
const maxOptions = 2_000;

/** @param {unknown} value @returns {value is Record<string, any>} */
export const isObject = value => typeof value === "object" && value !== null && !Array.isArray(value);

/** What a reference names: a JSON pointer or an `$anchor` of this document; undefined for anything else. @param {string} reference @param {Schema} root @returns {Schema | undefined} */
export function follow(reference, root) {
  if (reference === "#" || reference === root.$id) {
    return root;
  }
  if (reference.startsWith("#/")) {
    /** @type {any} */
    let at = root;
    for (const part of reference.slice(2).split("/")) {
      const key = unescape(part).replaceAll("~1", "/").replaceAll("~0", "~");
      at = typeof at === "object" && at !== null && Object.hasOwn(at, key) ? at[key] : undefined;
    }
    return isObject(at) ? at : undefined;
  }
  return Object.values({ ...root.definitions, ...root.$defs }).find(one => isObject(one) && (`#${one.$anchor}` === reference || one.$id === reference));
}

/** Percent-encoding in a pointer; what is malformed stays as it is. @param {string} part */
function unescape(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** A schema whose references and `allOf` are resolved at its own level. @param {unknown} schema @param {Schema} root @returns {Schema} */
export function flatten(schema, root, depth = 0) {
  if (!isObject(schema) || depth > maxReferences) {
    return {};
  }
  const { $ref, $dynamicRef, allOf, ...rest } = schema;
  /** @type {Schema} */
  let flat = rest;
  const reference = $ref ?? $dynamicRef;
  if (typeof reference === "string") {
    flat = merge(flatten(follow(reference, root) ?? {}, root, depth + 1), flat);
  }
  for (const part of Array.isArray(allOf) ? allOf : []) {
    flat = merge(flatten(part, root, depth + 1), flat);
  }
  return flat;
}

/** Both at once. Words of the second count, as they are nearer to the use; of bounds the narrower. @param {Schema} a @param {Schema} b @returns {Schema} */
export function merge(a, b) {
  /** @type {Schema} */
  const both = { ...a, ...b };
  for (const name of ["properties", "$defs", "definitions", "patternProperties"]) {
    if (isObject(a[name]) && isObject(b[name])) {
      both[name] = { ...a[name] };
      for (const [key, value] of Object.entries(b[name])) {
        both[name][key] = name === "properties" && Object.hasOwn(a[name], key) ? { allOf: [a[name][key], value] } : value;
      }
    }
  }
  if (Array.isArray(a.required) && Array.isArray(b.required)) {
    both.required = [...new Set([...a.required, ...b.required])];
  }
  if (Array.isArray(a.enum) && Array.isArray(b.enum)) {
    both.enum = b.enum.filter((/** @type {unknown} */ value) => a.enum.some((/** @type {unknown} */ other) => same(value, other)));
  }
  for (const [name, narrower] of /** @type {const} */ ([["minimum", Math.max], ["minLength", Math.max], ["minItems", Math.max], ["maximum", Math.min], ["maxLength", Math.min], ["maxItems", Math.min]])) {
    if (typeof a[name] === "number" && typeof b[name] === "number") {
      both[name] = narrower(a[name], b[name]);
    }
  }
  return both;
}

/** @param {unknown} a @param {unknown} b */
export const same = (a, b) => Object.is(a, b) || JSON.stringify(a) === JSON.stringify(b);

/** @param {unknown} schema @param {Schema} root @param {number} [depth] @returns {Field} */
export function fieldOf(schema, root, depth = 0) {
  const flat = flatten(schema, root);
  const field = { schema: flat, title: text(flat.title), description: text(flat.description), nullable: flat.nullable === true };
  if (depth > maxDepth) {
    return { ...field, kind: "any" };
  }
  if (Object.hasOwn(flat, "const")) {
    return { ...field, kind: "const" };
  }
  const types = typesOf(flat);
  const options = optionsOf(flat, root);
  if (options !== null) {
    return { ...field, kind: "choice", options };
  }
  const branches = [flat.oneOf, flat.anyOf].find(list => Array.isArray(list) && list.some(says));
  if (branches !== undefined) {
    const { oneOf, anyOf, ...base } = flat;
    const variants = branches.slice(0, maxOptions).map((/** @type {unknown} */ branch, /** @type {number} */ index) => variantOf(branch, base, root, index));
    return choose(variants.filter((/** @type {Variant} */ variant) => variant.schema.type !== "null"), variants.length, field, root, depth);
  }
  const nonNull = types.filter(type => type !== "null");
  if (nonNull.length > 1) {
    return choose(nonNull.map(type => ({ title: type, schema: { ...flat, type } })), types.length, field, root, depth);
  }
  field.nullable ||= nonNull.length < types.length && nonNull.length > 0;
  switch (nonNull[0] ?? types[0]) {
    case "string": return { ...field, kind: "string" };
    case "number": return { ...field, kind: "number" };
    case "integer": return { ...field, kind: "integer" };
    case "boolean": return { ...field, kind: "boolean" };
    case "null": return { ...field, kind: "null" };
    case "object": return { ...field, kind: "object", ...contentsOf(flat) };
    case "array": return arrayOf(flat, field, root);
    default: return { ...field, kind: "any" };
  }
}

/** One variant is no choice. @param {Variant[]} variants @param {number} all @param {Omit<Field, "kind">} field @param {Schema} root @param {number} depth @returns {Field} */
function choose(variants, all, field, root, depth) {
  const nullable = field.nullable || variants.length < all;
  if (variants.length === 1) {
    const only = fieldOf(variants[0].schema, root, depth + 1);
    return { ...only, title: field.title ?? only.title, description: field.description ?? only.description, nullable: nullable || only.nullable };
  }
  return { ...field, kind: "variants", variants, nullable };
}

/** @param {unknown} branch @param {Schema} base @param {Schema} root @param {number} index @returns {Variant} */
function variantOf(branch, base, root, index) {
  const own = flatten(branch, root);
  const reference = isObject(branch) && typeof branch.$ref === "string" ? branch.$ref.split("/").at(-1) : undefined;
  const tag = Object.values(own.properties ?? {}).map(property => isObject(property) ? property.const : undefined).find(value => typeof value === "string");
  const title = text(own.title) ?? tag ?? reference ?? (Object.hasOwn(own, "const") ? JSON.stringify(own.const) : undefined) ?? text(own.format) ?? text(own.type) ?? String(index + 1);
  const { title: _, description, ...common } = base;
  return { title, schema: { ...merge(common, own), title: undefined } };
}

/** Whether a branch says anything about what is to be filled in; `{ required: ["a"] }` is a rule, and shown when it is broken. @param {unknown} branch */
const says = branch => isObject(branch) && Object.keys(branch).some(key => !["required", "not", "description", "title", "$comment", "dependentRequired", "minProperties", "maxProperties"].includes(key));

/** @param {Schema} schema @param {Schema} root @returns {Option[] | null} */
function optionsOf(schema, root) {
  if (Array.isArray(schema.enum)) {
    const names = Array.isArray(schema.enumNames) ? schema.enumNames : [];
    return schema.enum.slice(0, maxOptions).map((value, index) => ({ value, title: text(names[index]) ?? show(value) }));
  }
  const list = schema.oneOf ?? schema.anyOf;
  if (!Array.isArray(list) || list.length === 0) {
    return null;
  }
  const branches = list.slice(0, maxOptions).map(branch => flatten(branch, root));
  return branches.every(branch => Object.hasOwn(branch, "const") || branch.type === "null")
    ? branches.map(branch => ({ value: branch.const ?? null, title: text(branch.title) ?? show(branch.const ?? null), description: text(branch.description) }))
    : null;
}

/** @param {unknown} value */
const show = value => typeof value === "string" ? value : JSON.stringify(value);

/** @param {Schema} schema @returns {string[]} */
function typesOf(schema) {
  if (typeof schema.type === "string") {
    return [schema.type];
  }
  if (Array.isArray(schema.type)) {
    return schema.type.filter(type => typeof type === "string");
  }
  // Left out: the keywords tell, as they say something of one type alone.
  const has = (/** @type {string[]} */ ...names) => names.some(name => Object.hasOwn(schema, name));
  return has("properties", "additionalProperties", "required", "patternProperties", "propertyNames") ? ["object"]
    : has("items", "prefixItems", "minItems", "maxItems", "uniqueItems") ? ["array"]
    : has("minLength", "maxLength", "pattern", "format", "contentEncoding") ? ["string"]
    : has("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf") ? ["number"]
    : [];
}

/** @param {Schema} schema @returns {Pick<Field, "properties" | "additional">} */
function contentsOf(schema) {
  const required = new Set(Array.isArray(schema.required) ? schema.required : []);
  const named = isObject(schema.properties) ? schema.properties : {};
  const properties = Object.entries(named).filter(([, property]) => property !== false).map(([name, property]) => ({ name, schema: isObject(property) ? property : {}, isRequired: required.has(name) }));
  for (const name of required) {
    if (typeof name === "string" && !Object.hasOwn(named, name)) {
      properties.push({ name, schema: isObject(schema.additionalProperties) ? schema.additionalProperties : {}, isRequired: true });
    }
  }
  const patterns = isObject(schema.patternProperties) ? Object.values(schema.patternProperties) : [];
  // Further properties are allowed by default; offered are they only where the schema speaks of them, or of nothing else.
  const additional = isObject(schema.additionalProperties) ? schema.additionalProperties
    : schema.additionalProperties === true || (properties.length === 0 && schema.additionalProperties !== false) ? patterns.find(isObject) ?? {}
    : patterns.find(isObject) ?? null;
  return { properties, additional };
}

/** @param {Schema} schema @param {Omit<Field, "kind">} field @param {Schema} root @returns {Field} */
function arrayOf(schema, field, root) {
  const items = isObject(schema.items) ? schema.items : {};
  const options = optionsOf(flatten(items, root), root);
  return options !== null && options.length <= 50 && !Array.isArray(schema.prefixItems)
    ? { ...field, kind: "choices", options, items }
    : { ...field, kind: "array", items };
}

/** What the schema says of the item at a place. @param {Schema} schema @param {number} index @returns {Schema} */
export const itemSchema = (schema, index) => {
  const item = Array.isArray(schema.prefixItems) && index < schema.prefixItems.length ? schema.prefixItems[index] : schema.items;
  return isObject(item) ? item : {};
};

/** @param {unknown} value */
const text = value => typeof value === "string" && value !== "" ? value : undefined;

/**
 * What a form begins with: defaults, and whatever has to be there anyway.
 * @param {unknown} schema @param {Schema} root @param {boolean} isRequired @param {number} [depth] @returns {any} Undefined where nothing is to be sent.
 */
export function initial(schema, root, isRequired, depth = 0) {
  const field = fieldOf(schema, root, depth);
  if (Object.hasOwn(field.schema, "default")) {
    return structuredClone(field.schema.default);
  }
  if (!isRequired || depth > maxDepth) {
    return undefined;
  }
  switch (field.kind) {
    case "const": return field.schema.const;
    case "null": return null;
    case "boolean": return field.nullable ? null : false;
    case "choice": return field.options?.length === 1 ? field.options[0].value : undefined;
    case "choices": return [];
    case "array": return Array.from({ length: Math.min(field.schema.minItems ?? 0, 16) }, (_, index) => initial(itemSchema(field.schema, index), root, true, depth + 1) ?? null);
    case "variants": return initial(field.variants?.[0].schema, root, true, depth + 1);
    case "object": return Object.fromEntries((field.properties ?? [])
      .map(property => [property.name, initial(property.schema, root, property.isRequired, depth + 1)]).filter(([, value]) => value !== undefined));
    default: return undefined;
  }
}
