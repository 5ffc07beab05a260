// Markdown as safe elements. The parser, the sanitizer and the highlighter are loaded when the first message needs them.

/** @typedef {{ parse: (markdown: string, into: Element) => void, highlight: (code: string, language: string, into: Element) => Promise<void> }} Renderer */

// Whatever else a message says in HTML is left out: above all what loads, runs, styles, or takes input.
const elements = ["a", "b", "blockquote", "br", "code", "del", "details", "div", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "i", "img", "input", "kbd", "li", "mark", "ol", "p", "pre", "s", "span", "strong", "sub", "summary", "sup", "table", "tbody", "td", "tfoot", "th", "thead", "tr", "u", "ul"];
const attributes = ["align", "alt", "checked", "class", "colspan", "disabled", "href", "rowspan", "src", "start", "title", "type"];

/** Names that people write behind a fence, and the file that knows the language. @type {Record<string, () => Promise<any>>} */
const languages = {
  bash: () => import("@highlightjs/cdn-assets/es/languages/bash.min.js"),
  csharp: () => import("@highlightjs/cdn-assets/es/languages/csharp.min.js"),
  css: () => import("@highlightjs/cdn-assets/es/languages/css.min.js"),
  diff: () => import("@highlightjs/cdn-assets/es/languages/diff.min.js"),
  go: () => import("@highlightjs/cdn-assets/es/languages/go.min.js"),
  java: () => import("@highlightjs/cdn-assets/es/languages/java.min.js"),
  javascript: () => import("@highlightjs/cdn-assets/es/languages/javascript.min.js"),
  json: () => import("@highlightjs/cdn-assets/es/languages/json.min.js"),
  python: () => import("@highlightjs/cdn-assets/es/languages/python.min.js"),
  rust: () => import("@highlightjs/cdn-assets/es/languages/rust.min.js"),
  sql: () => import("@highlightjs/cdn-assets/es/languages/sql.min.js"),
  typescript: () => import("@highlightjs/cdn-assets/es/languages/typescript.min.js"),
  xml: () => import("@highlightjs/cdn-assets/es/languages/xml.min.js"),
  yaml: () => import("@highlightjs/cdn-assets/es/languages/yaml.min.js"),
};
/** @type {Record<string, string>} */
const aliases = { "c#": "csharp", cs: "csharp", html: "xml", js: "javascript", jsonc: "json", jsx: "javascript", mjs: "javascript", py: "python", rs: "rust", sh: "bash", shell: "bash", svg: "xml", ts: "typescript", tsx: "typescript", yml: "yaml" };

// HTML in messages is shown as the text it is, but for tags that only shape text and say nothing else.
const plainTags = /^(?:\s|[^<>]|<\/?(?:br|b|i|u|s|sub|sup|kbd|mark|details|summary|p|hr)\s*\/?>)*$/i;

// Longer code is as readable without colours, and colouring it takes longer than reading begins.
const maxHighlighted = 50_000;

/** @type {Promise<Renderer> | null} */
let loading = null;
/** The renderer, once it is there. @type {Renderer | null} */
export let renderer = null;

/** @returns {Promise<Renderer>} */
export function loadMarkdown() {
  loading ??= load().then(loaded => renderer = loaded);
  return loading;
}

async function load() {
  const { Marked } = await import("marked");
  const marked = new Marked({ gfm: true, breaks: true, renderer: { html: ({ text }) => plainTags.test(text) ? text : escaped(text) } });
  const sanitize = await sanitizer();
  /** @type {Promise<any> | null} */
  let highlighter = null;
  return {
    parse(/** @type {string} */ markdown, /** @type {Element} */ into) {
      const made = sanitize(/** @type {string} */ (marked.parse(markdown, { async: false })));
      tidy(made);
      into.replaceChildren(made);
    },
    async highlight(/** @type {string} */ code, /** @type {string} */ named, /** @type {Element} */ into) {
      const name = aliases[named.toLowerCase()] ?? named.toLowerCase();
      if (!Object.hasOwn(languages, name) || code.length > maxHighlighted) {
        return;
      }
      highlighter ??= import("@highlightjs/cdn-assets/es/core.min.js").then(module => module.default);
      const [hljs, language] = await Promise.all([highlighter, languages[name]()]);
      if (hljs.getLanguage(name) === undefined) {
        hljs.registerLanguage(name, language.default);
      }
      into.replaceChildren(sanitize(hljs.highlight(code, { language: name, ignoreIllegals: true }).value));
    },
  };
}

// Both make elements of a document that is nobody's page: nothing in it runs or loads before it was looked through.
/** @returns {Promise<(html: string) => DocumentFragment>} */
async function sanitizer() {
  if ("setHTML" in Element.prototype) {
    const options = { sanitizer: { elements, attributes } };
    return html => {
      const template = document.createElement("template");
      /** @type {any} */ (template).setHTML(html, options);
      return template.content;
    };
  }
  const { default: purify } = await import("dompurify");
  return html => purify.sanitize(html, { ALLOWED_TAGS: elements, ALLOWED_ATTR: attributes, ALLOW_DATA_ATTR: false, RETURN_DOM_FRAGMENT: true });
}

/** Links lead out without saying where from; pictures of others' servers are links, as loading them tells who reads. @param {DocumentFragment} element */
function tidy(element) {
  for (const link of element.querySelectorAll("a")) {
    if (/^(https?|mailto):/i.test(link.getAttribute("href") ?? "")) {
      link.target = "_blank";
      link.rel = "noopener noreferrer nofollow";
    } else {
      link.removeAttribute("href");
    }
  }
  for (const image of element.querySelectorAll("img")) {
    const source = image.getAttribute("src") ?? "";
    if (!/^data:image\/(png|jpeg|gif|webp|avif);/i.test(source)) {
      const link = document.createElement("a");
      link.textContent = image.alt || source;
      if (/^https?:/i.test(source)) {
        Object.assign(link, { href: source, target: "_blank", rel: "noopener noreferrer nofollow" });
      }
      image.replaceWith(link);
    }
  }
  for (const input of element.querySelectorAll("input")) {
    if (input.type === "checkbox") {
      input.disabled = true;
      input.setAttribute("aria-label", input.parentElement?.textContent?.trim() || "✓");
    } else {
      input.remove();
    }
  }
  for (const table of element.querySelectorAll("table")) {
    const frame = document.createElement("div");
    frame.className = "scroll-x";
    frame.tabIndex = 0;
    table.replaceWith(frame);
    frame.append(table);
  }
}

/** @param {string} text */
const escaped = text => text.replace(/[&<>"]/g, character => `&#${character.charCodeAt(0)};`);
