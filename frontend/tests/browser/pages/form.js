// A form of everything.
import "../../../components/form/form.js";

/** @type {import("../../../components/form/schema.js").Schema} */
export const everything = {
  type: "object", required: ["name", "mail", "shape", "colour"],
  properties: {
    name: { type: "string", title: "Name", description: "As it is on the door.", minLength: 2 },
    mail: { type: "string", format: "email" },
    born: { type: "string", format: "date" },
    at: { type: "string", format: "date-time" },
    site: { type: ["string", "null"], format: "uri", title: "Web site" },
    count: { type: "integer", minimum: 1, maximum: 9, default: 3 },
    ratio: { type: "number" },
    loud: { type: "boolean", default: true, description: "So that the neighbours hear it." },
    sure: { type: "boolean" },
    colour: { title: "Colour", oneOf: [{ const: "r", title: "Red" }, { const: "g", title: "Green" }] },
    days: { type: "array", items: { enum: ["Monday", "Tuesday"] } },
    shape: { title: "Shape", oneOf: [{ title: "Circle", type: "object", properties: { kind: { const: "circle" }, radius: { type: "number", exclusiveMinimum: 0 } }, required: ["kind", "radius"] }, { $ref: "#/$defs/Square" }] },
    tags: { type: "array", items: { type: "string", minLength: 1 }, uniqueItems: true, title: "Tags" },
    limits: { type: "object", additionalProperties: { type: "integer" }, title: "Limits" },
    matrix: { type: "array", items: { type: "array", items: { type: "number" } } },
    home: { allOf: [{ $ref: "#/$defs/Address" }, { required: ["city"] }], title: "Address" },
    tree: { $ref: "#/$defs/Tree" },
    version: { const: 2 },
    extra: {},
  },
  $defs: {
    Square: { title: "Square", type: "object", properties: { kind: { const: "square" }, side: { type: "number" } }, required: ["kind", "side"] },
    Address: { type: "object", properties: { city: { type: "string" }, street: { type: "string" } } },
    Tree: { type: "object", title: "Tree", properties: { label: { type: "string" }, children: { type: "array", items: { $ref: "#/$defs/Tree" } } } },
  },
};

/** @param {any} schema @param {{ value?: any, complete?: any }} [more] */
export function show(schema, { value, complete } = {}) {
  const form = /** @type {import("../../../components/form/form.js").DawnForm} */ (document.createElement("dawn-form"));
  form.complete = complete ?? null;
  document.querySelector("main")?.append(form);
  form.schema = schema;
  if (value !== undefined) {
    form.value = value;
  }
  Object.assign(window, { form });
  return form;
}
