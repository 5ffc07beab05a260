// Elements without HTML text: what a message says is never parsed as markup, and a strict Content-Security-Policy holds.

/** @typedef {Node | string | number | null | undefined | false} Child */

// What is set as a property: the attribute of that name is only where it begins.
const properties = new Set(["value", "checked", "disabled", "selected", "textContent", "hidden", "inert", "indeterminate"]);

let lastId = 0;

/** An id that nothing else on the page has. @param {string} [prefix] */
export const uniqueId = (prefix = "id") => `${prefix}-${++lastId}`;

/**
 * Makes an element. Functions under `on…` are listeners, arrays of children are flattened, and null, undefined and false are left out.
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {Record<string, unknown>} [attributes]
 * @param {...(Child | Child[])} children
 * @returns {HTMLElementTagNameMap[T]}
 */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  set(element, attributes);
  element.append(...flat(children));
  return element;
}

/**
 * The same for SVG.
 * @template {keyof SVGElementTagNameMap} T
 * @param {T} tag @param {Record<string, unknown>} [attributes] @param {...(Child | Child[])} children
 * @returns {SVGElementTagNameMap[T]}
 */
export function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  set(element, attributes);
  element.append(...flat(children));
  return element;
}

/** Sets attributes, properties and listeners as {@link h} does. @param {Element} element @param {Record<string, unknown>} attributes */
export function set(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on") && typeof value === "function") {
      element.addEventListener(name.slice(2), /** @type {EventListener} */ (value));
    } else if (properties.has(name) && name in element) {
      Object.assign(element, { [name]: value });
    } else if (value === null || value === undefined || value === false) {
      element.removeAttribute(name);
    } else {
      element.setAttribute(name, value === true ? "" : String(value));
    }
  }
}

/** Puts these in place of all that an element holds. @param {Element} element @param {...(Child | Child[])} children */
export const fill = (element, ...children) => element.replaceChildren(...flat(children));

/** Runs what a button does, one at a time. It keeps the focus meanwhile, which a button that is disabled loses. @param {HTMLElement} button @param {() => Promise<void>} action */
export async function oneAtATime(button, action) {
  if (button.getAttribute("aria-disabled") === "true") {
    return;
  }
  button.setAttribute("aria-disabled", "true");
  try {
    await action();
  } finally {
    button.removeAttribute("aria-disabled");
  }
}

/** @param {(Child | Child[])[]} children @returns {(Node | string)[]} */
const flat = children => children.flat().filter(child => child !== null && child !== undefined && child !== false).map(child => typeof child === "number" ? String(child) : /** @type {Node | string} */ (child));
