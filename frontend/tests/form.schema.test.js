import assert from "node:assert/strict";
import { test } from "node:test";
import { fieldOf, flatten, initial, maxDepth } from "../components/form/schema.js";
import { validate } from "../components/form/validation.js";

/** @param {any} schema @param {any} [root] */
const field = (schema, root = schema) => fieldOf(schema, root);

test("Types, and schemas that name none", () => {
  assert.equal(field({ type: "string" }).kind, "string");
  assert.equal(field({ minLength: 1 }).kind, "string");
  assert.equal(field({ properties: {} }).kind, "object");
  assert.equal(field({ items: {} }).kind, "array");
  assert.equal(field({ maximum: 3 }).kind, "number");
  assert.equal(field({}).kind, "any");
  assert.equal(fieldOf(true, {}).kind, "any");
});

test("Null beside one type is a field that may be null; beside more it is a choice of types", () => {
  assert.deepEqual([field({ type: ["string", "null"] }).kind, field({ type: ["string", "null"] }).nullable], ["string", true]);
  const either = field({ anyOf: [{ type: "integer" }, { type: "null" }], title: "Age" });
  assert.deepEqual([either.kind, either.nullable, either.title], ["integer", true, "Age"]);
  assert.deepEqual(field({ type: ["string", "number"] }).variants?.map(variant => variant.title), ["string", "number"]);
});

test("Enums plain, named and titled are choices", () => {
  assert.deepEqual(field({ enum: ["a", 1, null] }).options, [{ value: "a", title: "a" }, { value: 1, title: "1" }, { value: null, title: "null" }]);
  assert.deepEqual(field({ type: "string", enum: ["r"], enumNames: ["Red"] }).options, [{ value: "r", title: "Red" }]);
  const titled = field({ oneOf: [{ const: "r", title: "Red", description: "Warm" }, { const: "b", title: "Blue" }] });
  assert.deepEqual(titled.options, [{ value: "r", title: "Red", description: "Warm" }, { value: "b", title: "Blue", description: undefined }]);
  assert.equal(field({ type: "array", items: { anyOf: [{ const: "r", title: "Red" }] } }).kind, "choices");
});

test("Variants carry what their parent asks for, and are named by what tells them apart", () => {
  const root = {
    type: "object", properties: { id: { type: "string" } }, required: ["id"],
    oneOf: [{ properties: { kind: { const: "circle" }, radius: { type: "number" } }, required: ["radius"] }, { $ref: "#/$defs/Square" }],
    $defs: { Square: { properties: { side: { type: "number" } } } },
  };
  const { kind, variants = [] } = field(root);
  assert.equal(kind, "variants");
  assert.deepEqual(variants.map(variant => variant.title), ["circle", "Square"]);
  assert.deepEqual(Object.keys(variants[0].schema.properties), ["id", "kind", "radius"]);
  assert.deepEqual(variants[0].schema.required, ["id", "radius"]);
});

test("Alternatives that only require are rules, and no choice", () =>
  assert.equal(field({ type: "object", properties: { a: {}, b: {} }, anyOf: [{ required: ["a"] }, { required: ["b"] }] }).kind, "object"));

test("allOf and references merge, the narrower bound wins, and the use's words count", () => {
  const root = { $defs: { name: { type: "string", maxLength: 9, title: "Name" }, "a/b": { type: "integer" } } };
  assert.deepEqual(flatten({ $ref: "#/$defs/name", title: "Nick", allOf: [{ maxLength: 5 }] }, root), { type: "string", maxLength: 5, title: "Nick" });
  assert.equal(field({ $ref: "#/$defs/a~1b" }, root).kind, "integer");
  assert.deepEqual(flatten({ allOf: [{ required: ["a"], properties: { a: { type: "string" } } }, { required: ["b"], properties: { a: { minLength: 2 } } }] }, {}).required, ["b", "a"]);
});

test("Schemas that refer to themselves end", () => {
  const tree = { type: "object", properties: { next: { $ref: "#" }, name: { type: "string", default: "x" } }, required: ["next"] };
  let depth = 0;
  for (let value = initial(tree, tree, true); value !== undefined; value = value.next) {
    depth++;
  }
  assert.ok(depth > 1 && depth <= maxDepth + 1, String(depth));
  const circle = { $ref: "#/$defs/a", $defs: { a: { $ref: "#/$defs/b" }, b: { $ref: "#/$defs/a" } } };
  assert.equal(field(circle).kind, "any");
});

test("Maps, closed objects and required names that nothing describes", () => {
  assert.deepEqual(field({ type: "object", additionalProperties: { type: "number" } }).additional, { type: "number" });
  assert.deepEqual(field({ type: "object" }).additional, {});
  assert.equal(field({ type: "object", properties: { a: {} } }).additional, null);
  assert.equal(field({ type: "object", additionalProperties: false }).additional, null);
  assert.deepEqual(field({ type: "object", required: ["x"] }).properties, [{ name: "x", schema: {}, isRequired: true }]);
});

test("What a form begins with: defaults, required parts, and nothing else", () => {
  const schema = {
    type: "object", required: ["a", "b", "list", "flag"],
    properties: {
      a: { type: "string" }, b: { type: "object", required: ["c"], properties: { c: { const: 1 }, d: { type: "string" } } },
      list: { type: "array", minItems: 2, items: { type: "integer", default: 7 } }, flag: { type: "boolean" }, optional: { type: "object", properties: { e: { default: 1 } } },
      size: { type: "integer", default: 3 },
    },
  };
  assert.deepEqual(initial(schema, schema, true), { b: { c: 1 }, list: [7, 7], flag: false, size: 3 });
});

test("Faults are told where they are, with what is allowed", () => {
  const schema = {
    type: "object", required: ["name", "address"],
    properties: { name: { type: "string", minLength: 3 }, address: { $ref: "#/$defs/address" }, tags: { type: "array", items: { type: "string" }, uniqueItems: true }, count: { type: "integer", maximum: 5 } },
    $defs: { address: { type: "object", required: ["city"], properties: { "post/code": { type: "string", pattern: "^\\d+$" } } } },
  };
  const faults = validate({ name: "ab", address: { "post/code": "x" }, tags: ["a", 2], count: 9 }, schema) ?? [];
  assert.deepEqual(faults.map(fault => [fault.path.join("."), fault.keyword]), [["name", "minLength"], ["address.city", "required"], ["address.post/code", "pattern"], ["tags.1", "type"], ["count", "maximum"]]);
  assert.equal(faults[0].limit, 3);
  assert.equal(faults[4].limit, 5);
  assert.deepEqual(validate({ name: "abc", address: { city: "x" } }, schema), []);
});

test("Of alternatives only the whole is told, and what can't be checked is said to be so", () => {
  assert.deepEqual((validate(true, { anyOf: [{ type: "string" }, { type: "number" }] }) ?? []).map(fault => fault.keyword), ["anyOf"]);
  assert.equal(validate("x", { $ref: "https://example.org/other" }), null);
  assert.equal(validate("x", { type: "string", pattern: "(" }), null);
});
