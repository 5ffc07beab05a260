// `<dawn-form>`: a form for a JSON Schema, with the same value as JSON beside it.
import { language, t } from "../../i18n/index.js";
import { fill, h, uniqueId } from "../dom.js";
import { brokenParts, makeEditor } from "./editor.js";
import { initial, isObject } from "./schema.js";
import { validate } from "./validation.js";

/** @typedef {import("./schema.js").Schema} Schema */
/** @typedef {import("./editor.js").Editor} Editor */

/**
 * Properties: `schema`, `value`, `complete` (suggestions for the outermost text fields), `isPlain` (set before it is shown: fields only, no JSON). `check()` says whether the value may be sent, and shows why not.
 * Events: `dawn-change` after each change by a person.
 */
export class DawnForm extends HTMLElement {
  /** @type {Schema} */
  #schema = { type: "object" };
  /** @type {any} */
  #value = undefined;
  /** @type {Editor | null} */
  #editor = null;
  /** @type {HTMLTextAreaElement | null} */
  #json = null;
  #summary = h("div", { class: "form-summary", hidden: true });
  #body = h("div", { class: "form-body" });
  #toggle = h("button", { type: "button", class: "field-button form-toggle", "aria-pressed": "false", onclick: () => this.#switch() });
  #jsonError = h("p", { class: "field-error", id: uniqueId("error"), hidden: true });
  #until = new AbortController();
  /** @type {import("./editor.js").Context["complete"]} */
  complete = null;
  isPlain = false;

  connectedCallback() {
    this.#until = new AbortController();
    fill(this, this.#summary, this.#body, this.#toggle);
    language.follow(() => {
      this.#keep();
      this.#render();
    }, this.#until.signal);
  }

  disconnectedCallback() {
    this.#keep();
    this.#until.abort();
  }

  get schema() {
    return this.#schema;
  }

  /** Begins anew with the schema's defaults. */
  set schema(schema) {
    this.#schema = isObject(schema) ? schema : { type: "object" };
    this.#value = initial(this.#schema, this.#schema, true);
    this.#render();
  }

  /** What was filled in; in the JSON view what was last understood. @returns {any} */
  get value() {
    this.#keep();
    return this.#value;
  }

  set value(value) {
    this.#value = structuredClone(value);
    this.#render();
  }

  /** Where the person writes JSON instead of filling in fields. */
  get isRaw() {
    return this.#json !== null;
  }

  /** Whether the value is as the schema wants it; else says why, and goes to the first fault. */
  check() {
    this.#clear();
    if (this.#json !== null) {
      return this.#checkJson(this.#json);
    }
    const editor = this.#editor;
    if (editor === null) {
      return true;
    }
    const broken = brokenParts(editor).map(({ editor: part, message }) => ({ part, message }));
    const value = editor.get();
    const { $defs, definitions, $id } = this.#schema;
    const narrow = validate(value, { $id, $defs, definitions, ...editor.schema() }) ?? [];
    const faults = narrow.length > 0 ? narrow : validate(value, this.#schema) ?? [];
    const told = faults.map(fault => {
      let path = fault.path;
      let part = editor.find(path);
      while (part === undefined && path.length > 0) {
        path = path.slice(0, -1);
        part = editor.find(path);
      }
      // An item that was added and left empty is null, which is of no type that anybody chose.
      const isEmpty = fault.keyword === "type" && fault.path.length > 0 && fault.path.reduce((at, key) => at?.[key], value) === null;
      return { part: part ?? editor, message: describe(isEmpty ? { ...fault, keyword: "required" } : fault) };
    }).filter(fault => !broken.some(other => other.part === fault.part));
    const all = [...broken, ...told];
    all.forEach(({ part, message }) => part.complain(message));
    // In the order of the page, as people go through it.
    all.sort((a, b) => a.part.element.compareDocumentPosition(b.part.element) & Node.DOCUMENT_POSITION_FOLLOWING ? -1 : 1);
    this.#summarize(all);
    all[0]?.part.focus();
    return all.length === 0;
  }

  /** The first control. */
  focusFirst() {
    /** @type {HTMLElement | null} */ (this.querySelector("input, select, textarea, button"))?.focus();
  }

  #keep() {
    if (this.#json !== null) {
      this.#value = parse(this.#json.value) ?? this.#value;
    } else if (this.#editor !== null) {
      this.#value = this.#editor.get();
    }
  }

  #render() {
    if (!this.isConnected) {
      return;
    }
    this.#clear();
    this.#toggle.hidden = this.isPlain;
    this.#toggle.textContent = t("tools.form.raw");
    this.#toggle.setAttribute("aria-pressed", String(this.#json !== null));
    if (this.#json !== null) {
      this.#showJson();
      return;
    }
    this.#editor = makeEditor(this.#schema, this.#value, { root: this.#schema, depth: 0, name: "", isRequired: true, changed: () => this.#changed(), complete: this.complete === null ? null : (...args) => this.complete?.(...args) ?? Promise.resolve([]) });
    const isEmpty = this.#editor.element.childElementCount === 0 || this.#editor.element.querySelector("input, select, textarea, button, output") === null;
    fill(this.#body, isEmpty ? h("p", { class: "field-hint" }, t("tools.form.nothing")) : this.#editor.element);
  }

  #switch() {
    if (this.#json === null) {
      this.#keep();
      this.#editor = null;
      this.#json = h("textarea", { class: "field-control field-json", rows: 12, spellcheck: "false", autocomplete: "off", dir: "ltr", "aria-label": t("tools.form.json"), oninput: () => this.#changed() });
      this.#render();
      this.#json.focus();
      return;
    }
    const value = parse(this.#json.value);
    if (value === undefined) {
      this.#checkJson(this.#json); // what can't be read would be lost
      return;
    }
    this.#json = null;
    this.#value = value;
    this.#render();
    this.#toggle.focus();
  }

  #showJson() {
    if (this.#json !== null) {
      this.#json.value = JSON.stringify(this.#value ?? {}, null, 2);
      fill(this.#body, this.#json, this.#jsonError);
    }
  }

  /** @param {HTMLTextAreaElement} json */
  #checkJson(json) {
    const value = parse(json.value);
    const faults = value === undefined ? [] : validate(value, this.#schema) ?? [];
    const message = value === undefined ? t("tools.form.error.json", { text: reason(json.value) }) : faults.map(fault => `${fault.path.join(".") || t("tools.form.value")}: ${describe(fault)}`).join("\n");
    this.#jsonError.textContent = message;
    this.#jsonError.hidden = message === "";
    if (message !== "") {
      json.setAttribute("aria-invalid", "true");
      json.setAttribute("aria-describedby", this.#jsonError.id);
      json.focus();
    }
    return message === "";
  }

  /** @param {{ part: Editor, message: string }[]} faults */
  #summarize(faults) {
    this.#summary.hidden = faults.length === 0;
    this.#summary.setAttribute("role", "alert");
    fill(this.#summary, h("p", {}, t("tools.form.faults", { count: faults.length })), h("ul", {}, faults.slice(0, 20).map(({ part, message }) => {
      const name = part.element.querySelector("label, legend")?.firstChild?.textContent ?? t("tools.form.value");
      return h("li", {}, h("button", { type: "button", class: "field-link", onclick: () => part.focus() }, `${name}: ${message}`));
    })));
  }

  #clear() {
    this.#summary.hidden = true;
    this.#jsonError.hidden = true;
    for (const attribute of ["aria-invalid", "aria-describedby"]) {
      this.#json?.removeAttribute(attribute);
    }
    /** @param {Editor} editor */
    const clear = editor => {
      editor.complain("");
      editor.parts?.().forEach(clear);
    };
    if (this.#editor !== null) {
      clear(this.#editor);
    }
  }

  #changed() {
    this.dispatchEvent(new CustomEvent("dawn-change", { bubbles: true }));
  }
}

/** @param {string} text @returns {any} Undefined where it is no JSON. */
function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** @param {string} text */
function reason(text) {
  try {
    JSON.parse(text);
    return "";
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

const worded = new Set(["required", "type", "minLength", "maxLength", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "pattern", "format", "minItems", "maxItems", "uniqueItems", "enum", "const", "additionalProperties", "oneOf", "anyOf", "minProperties", "maxProperties"]);

/** @param {import("./validation.js").Fault} fault */
const describe = fault => !worded.has(fault.keyword) ? fault.text
  : t(`tools.form.error.${fault.keyword}`, { limit: typeof fault.limit === "string" ? fault.limit : JSON.stringify(fault.limit) ?? "" });

customElements.define("dawn-form", DawnForm);
