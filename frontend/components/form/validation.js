// What is wrong with a value, and where.
import { Validator } from "@cfworker/json-schema";
import { flatten } from "./schema.js";

/** @typedef {import("./schema.js").Schema} Schema */
/** @typedef {{ path: string[], keyword: string, limit: unknown, text: string }} Fault The text is the validator's, in English. */

// They only say that something beneath is wrong, which says it better.
const wrappers = new Set(["properties", "items", "prefixItems", "additionalItems", "patternProperties", "$ref", "$recursiveRef", "$dynamicRef", "allOf", "if", "then", "else", "dependentSchemas", "unevaluatedProperties", "unevaluatedItems"]);
const maxFaults = 100;

/**
 * @param {unknown} value @param {Schema} schema
 * @returns {Fault[] | null} Null where the schema can't be checked here, as with references to other documents; whoever is called checks it anyway.
 */
export function validate(value, schema) {
  let outcome;
  try {
    outcome = new Validator(schema, "2020-12", false).validate(value);
  } catch {
    return null;
  }
  if (outcome.valid) {
    return [];
  }
  /** @type {Map<string, Fault>} */
  const faults = new Map();
  for (const { keyword, instanceLocation, keywordLocation, error } of outcome.errors) {
    const path = segments(instanceLocation);
    // Below a choice every branch says what it misses; which one was meant is not known here.
    if (wrappers.has(keyword) || /\/(anyOf|oneOf|not|contains)\//.test(keywordLocation)) {
      continue;
    }
    const named = keyword === "required" || keyword === "dependentRequired" ? /"(.*)"\.?$/.exec(error)?.[1] : undefined;
    const at = named === undefined ? path : [...path, named];
    const fault = { path: at, keyword, limit: limitOf(keywordLocation, schema), text: error };
    const key = JSON.stringify(at);
    if (!faults.has(key) && faults.size < maxFaults) {
      faults.set(key, fault);
    }
  }
  // Where a child is wrong, "a further property is wrong" above it says nothing new.
  const all = [...faults.values()].filter(fault => fault.keyword !== "additionalProperties" || ![...faults.values()].some(other => other !== fault && isWithin(other.path, fault.path)));
  return all.length > 0 ? all : [{ path: [], keyword: "false", limit: undefined, text: outcome.errors.at(-1)?.error ?? "" }];
}

/** @param {string[]} path @param {string[]} above */
const isWithin = (path, above) => path.length > above.length && above.every((part, index) => path[index] === part);

/** @param {string} location */
const segments = location => location.split("/").slice(1).map(part => decodeURIComponent(part).replaceAll("~1", "/").replaceAll("~0", "~"));

/** What the keyword allows: its value, where the location leads to it. @param {string} location @param {Schema} schema @returns {unknown} */
function limitOf(location, schema) {
  /** @type {any} */
  let at = schema;
  for (const part of location.slice(location.indexOf("#") + 1).split("/").slice(1)) {
    const key = part.replaceAll("~1", "/").replaceAll("~0", "~");
    at = part === "$ref" ? flatten(at, schema) : typeof at === "object" && at !== null && Object.hasOwn(at, key) ? at[key] : undefined;
  }
  return at;
}
