// Words of the page, by language and part: `i18n/en/chat.js` has the keys that begin with `chat.`. English has them all and stands in for what a language lacks.
import { Signal } from "../state/signal.js";

/** @typedef {Record<string, string>} Words */

/** Languages that the page has, and the name that each gives itself. */
export const languages = /** @type {const} */ ({ en: "English", de: "Deutsch", ja: "日本語", ar: "العربية" });

const parts = ["app", "chat", "tools", "network"];
const rightToLeft = new Set(["ar"]);

/** @type {Words} */
let english = {};
/** @type {Words} */
let words = {};

/** The language in use; whoever shows words follows it. @type {Signal<string>} */
export const language = new Signal("en");

/** Takes up a language: its words are loaded before {@link language} says so. @param {string} wanted As the browser names it: `de-AT`. */
export async function use(wanted) {
  const name = Object.keys(languages).find(one => one === wanted.toLowerCase().split("-")[0]) ?? "en";
  if (Object.keys(english).length === 0) {
    english = await load("en");
  }
  words = name === "en" ? english : await load(name);
  document.documentElement.lang = name;
  document.documentElement.dir = rightToLeft.has(name) ? "rtl" : "ltr";
  language.value = name;
}

/** Words for a key: `{name}` is replaced, and of `one|other` the form for `count` is taken. @param {string} key @param {Record<string, string | number>} [args] */
export function t(key, args = {}) {
  const all = words[key] ?? english[key] ?? key;
  const forms = "count" in args ? all.split("|") : [all];
  const form = forms.length > 1 && new Intl.PluralRules(language.value).select(Number(args.count)) !== "one" ? forms[1] : forms[0];
  return form.replace(/\{(\w+)\}/g, (whole, name) => name in args ? String(args[name]) : whole);
}

/** @param {string} name @returns {Promise<Words>} */
async function load(name) {
  const loaded = await Promise.all(parts.map(part => import(`./${name}/${part}.js`).then(module => module.default, () => ({}))));
  return Object.assign({}, ...loaded);
}
