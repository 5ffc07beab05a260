import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { accessibilityFaults, mapLibraries, start } from "./harness.mjs";

/** @type {Awaited<ReturnType<typeof start>>} */
let site;
before(async () => { site = await start(); });
after(() => site.close());

test("Names of libraries become paths, and nothing else does", () => {
  assert.equal(mapLibraries('import { renderSVG } from "uqr";'), 'import { renderSVG } from "/lib/uqr/dist/index.mjs";');
  assert.equal(mapLibraries('import { h } from "./dom.js"; const x = "from nowhere";'), 'import { h } from "./dom.js"; const x = "from nowhere";');
});

test("A page of the product loads under its policy and is accessible", async () => {
  const { page, close } = await site.open("/tests/browser/pages/empty.html");
  await page.waitForSelector("body[data-status=ready]");
  assert.deepEqual(await accessibilityFaults(page), []);
  await close();
});

test("What a page complains about is seen: errors, and markup that is set as text", async () => {
  const { page, complaints, check, context } = await site.open("/tests/browser/pages/empty.html");
  await page.evaluate(() => {
    console.error("on purpose");
    try {
      document.body.innerHTML = "<p>";
    } catch { /* refused, as it should be */ }
  });
  for (let turn = 0; turn < 200 && !complaints.some(text => text.includes("require-trusted-types-for")); turn++) {
    await page.evaluate(() => 0); // what it said is on its way
  }
  assert.ok(complaints.some(text => text.includes("on purpose")) && complaints.some(text => text.includes("require-trusted-types-for")), complaints.join("\n"));
  assert.throws(check, /the page complained/);
  await context.close();
});
