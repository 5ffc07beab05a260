import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { test } from "node:test";
import { languages } from "../i18n/index.js";

const folder = (/** @type {string} */ name) => new URL(`../i18n/${name}/`, import.meta.url);
/** @param {string} name @param {string} file @returns {Promise<Record<string, string>>} */
const words = async (name, file) => (await import(new URL(file, folder(name)).href)).default;
const blanks = (/** @type {string} */ text) => [...new Set(text.match(/\{\w+\}/g) ?? [])].sort();

for (const file of readdirSync(folder("en"))) {
  for (const name of Object.keys(languages)) {
    test(`${name}/${file} has the words of English, under its part's name, with the same blanks`, async () => {
      const [english, other] = [await words("en", file), await words(name, file)];
      assert.deepEqual(Object.keys(other).sort(), Object.keys(english).sort());
      for (const [key, text] of Object.entries(other)) {
        assert.ok(key.startsWith(`${file.slice(0, -3)}.`), key);
        // A form for "one" may say the number in words.
        assert.deepEqual(blanks(text).filter(blank => !blanks(english[key]).includes(blank)), [], key);
        assert.deepEqual(blanks(english[key]).filter(blank => blank !== "{count}" && blank !== "{links}" && !blanks(text).includes(blank)), [], key);
      }
    });
  }
}
