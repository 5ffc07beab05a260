// URI templates (RFC 6570), of strings: what MCP's resource templates are made of.

/** @typedef {{ start: string, separator: string, isNamed: boolean, emptyAs: string, isReserved: boolean }} Operator */

/** Appendix A of the RFC. @type {Record<string, Operator>} */
const operators = {
  "": { start: "", separator: ",", isNamed: false, emptyAs: "", isReserved: false },
  "+": { start: "", separator: ",", isNamed: false, emptyAs: "", isReserved: true },
  "#": { start: "#", separator: ",", isNamed: false, emptyAs: "", isReserved: true },
  ".": { start: ".", separator: ".", isNamed: false, emptyAs: "", isReserved: false },
  "/": { start: "/", separator: "/", isNamed: false, emptyAs: "", isReserved: false },
  ";": { start: ";", separator: ";", isNamed: true, emptyAs: "", isReserved: false },
  "?": { start: "?", separator: "&", isNamed: true, emptyAs: "=", isReserved: false },
  "&": { start: "&", separator: "&", isNamed: true, emptyAs: "=", isReserved: false },
};
const expression = /\{([+#./;?&]?)([^{}]+)\}/g;

/** @param {string} list */
const specifications = list => list.split(",").map(part => {
  const [, name, length] = /^([^:*]+)(?::(\d{1,4})|\*)?$/.exec(part.trim()) ?? [undefined, part.trim()];
  return { name, length: length === undefined ? Infinity : Number(length) };
});

/** The names in a template, each once. @param {string} template */
export const variables = template => [...new Set([...template.matchAll(expression)].flatMap(([, , list]) => specifications(list).map(one => one.name)))];

/** @param {string} template @param {Record<string, string | undefined>} values What is left out, is left out. */
export const expand = (template, values) => template.replace(expression, (_, sign, list) => {
  const operator = operators[sign];
  const parts = specifications(list).flatMap(({ name, length }) => {
    const value = Object.hasOwn(values, name) ? values[name] : undefined;
    if (value === undefined) {
      return [];
    }
    const text = encode([...value].slice(0, length).join(""), operator.isReserved);
    return [!operator.isNamed ? text : text === "" ? name + operator.emptyAs : `${name}=${text}`];
  });
  return parts.length === 0 ? "" : operator.start + parts.join(operator.separator);
});

/** @param {string} text @param {boolean} isReserved */
const encode = (text, isReserved) => isReserved
  ? text.replace(/%[0-9A-Fa-f]{2}|[^A-Za-z0-9\-._~:/?#[\]@!$&'()*+,;=]+/g, part => /^%[0-9A-Fa-f]{2}$/.test(part) ? part : percent(part))
  : percent(text);

/** Half a character has no bytes. @param {string} text */
const percent = text => encodeURIComponent(text.replace(/\p{Surrogate}/gu, "\uFFFD")).replace(/[!'()*]/g, one => `%${one.charCodeAt(0).toString(16).toUpperCase()}`);
