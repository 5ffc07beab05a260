import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { assertAccessible, assertNoOverflow, start } from "./harness.mjs";

/** @type {Awaited<ReturnType<typeof start>>} */
let site;
before(async () => { site = await start(); });
after(() => site.close());

/** @typedef {import("../../components/form/form.js").DawnForm} DawnForm */

/** @param {import("./harness.mjs").PageOptions} [options] */
async function open(options) {
  const opened = await site.open("/tests/browser/pages/parts.html", { expected: [/i18n\/\w+\/\w+\.js/], ...options });
  await opened.page.waitForSelector("body[data-status=ready]");
  /** @param {any} schema @param {any} [value] */
  const show = (schema, value) => opened.page.evaluate(async ([schema, value]) => {
    const { show, everything } = await /** @type {any} */ (window).load("/tests/browser/pages/form.js");
    show(schema ?? everything, { value });
  }, [schema, value]);
  const value = () => opened.page.evaluate(() => /** @type {any} */ (window).form.value);
  const check = () => opened.page.evaluate(() => /** @type {any} */ (window).form.check());
  return { ...opened, show, value, check };
}

for (const [width, scheme] of /** @type {const} */ ([[1280, "light"], [1280, "dark"], [360, "light"], [360, "dark"], [320, "light"]])) {
  test(`A form of everything is accessible with and without faults, ${width} px, ${scheme}`, async () => {
    const { page, show, check, close } = await open({ width, scheme });
    await show(null);
    await assertAccessible(page);
    assert.equal(await check(), false);
    await assertAccessible(page);
    await assertNoOverflow(page);
    await close();
  });
}

test("Faults stand at their fields, in a summary, and the first has the focus; mended, the value goes through", async () => {
  const { page, show, check, value, close } = await open();
  await show(null);
  assert.equal(await check(), false);
  const name = page.getByLabel("Name", { exact: false }).first();
  assert.ok(await name.evaluate(element => document.activeElement === element));
  assert.equal(await name.getAttribute("aria-invalid"), "true");
  const described = (await name.getAttribute("aria-describedby") ?? "").split(" ");
  assert.deepEqual(await Promise.all(described.map(id => page.locator(`[id="${id}"]`).textContent())), ["As it is on the door.", "Fill this in."]);
  assert.equal(await page.getByRole("alert").getByRole("button").count(), 4);
  await page.keyboard.type("A");
  await page.getByRole("alert").getByText("mail").click();
  await page.keyboard.type("nobody");
  await page.getByLabel("Colour").selectOption("Green");
  await page.getByLabel("radius").fill("0");
  assert.equal(await check(), false);
  assert.deepEqual(await page.locator(".field-error:not([hidden])").allTextContents(), ["At least 2 characters.", "This is not in the format 'email'.", "More than 0."]);
  await name.fill("Ann");
  await page.getByLabel("mail").fill("ann@example.org");
  await page.getByLabel("radius").fill("1.5");
  await page.getByLabel("born").fill("2001-02-03");
  assert.equal(await check(), true);
  assert.deepEqual(await value(), { name: "Ann", mail: "ann@example.org", born: "2001-02-03", colour: "g", count: 3, loud: true, shape: { kind: "circle", radius: 1.5 } });
  assert.equal(await page.getByRole("alert").count(), 0);
  await close();
});

test("Items are added, moved and removed by keyboard, and the focus stays near", async () => {
  const { page, show, value, close } = await open();
  await show({ type: "object", properties: { tags: { type: "array", items: { type: "string" } } } });
  await page.getByRole("button", { name: "Add an item" }).focus();
  for (const text of ["one", "two", "three"]) {
    await page.keyboard.press("Enter");
    await page.keyboard.type(text);
    await page.getByRole("button", { name: "Add an item" }).focus();
  }
  assert.deepEqual(await value(), { tags: ["one", "two", "three"] });
  await page.getByRole("button", { name: "Move up" }).nth(2).focus();
  await page.keyboard.press("Enter");
  await page.keyboard.press("Enter");
  assert.deepEqual(await value(), { tags: ["three", "one", "two"] });
  assert.equal(await page.evaluate(() => document.activeElement?.getAttribute("data-action")), "moveDown", "the button that can't go on hands over");
  assert.deepEqual(await page.locator(".field-items .field-label").allTextContents(), ["Item 1", "Item 2", "Item 3"]);
  await page.getByRole("button", { name: "Remove this item" }).nth(1).focus();
  await page.keyboard.press("Enter");
  assert.deepEqual(await value(), { tags: ["three", "two"] });
  assert.equal(await page.evaluate(() => document.activeElement?.getAttribute("data-action")), "removeItem");
  await close();
});

test("Another variant keeps what both have, and takes its own tag", async () => {
  const { page, show, value, check, close } = await open();
  const shape = (/** @type {string} */ kind, /** @type {string} */ own) => ({ properties: { kind: { const: kind }, name: { type: "string" }, [own]: { type: "number" } }, required: ["kind", own] });
  await show({ type: "object", oneOf: [shape("circle", "radius"), shape("square", "side")] });
  await page.getByLabel("name").fill("mine");
  await page.getByLabel("radius").fill("2");
  await page.getByLabel("Which one").selectOption("square");
  assert.deepEqual(await value(), { kind: "square", name: "mine" });
  assert.equal(await check(), false);
  assert.ok(await page.getByLabel("side").evaluate(element => document.activeElement === element));
  await close();
});

test("Maps, null, nested lists and objects that are left out", async () => {
  const { page, show, value, close } = await open();
  await show({ type: "object", properties: {
    limits: { type: "object", additionalProperties: { type: "integer" } }, note: { type: ["string", "null"] }, address: { type: "object", title: "Address", properties: { city: { type: "string" } } },
    matrix: { type: "array", items: { type: "array", items: { type: "number" } } },
  } });
  assert.deepEqual(await value(), {});
  await page.getByRole("button", { name: "Add limits" }).click();
  await page.getByRole("button", { name: "Add an entry" }).click();
  await page.keyboard.type("cpu");
  await page.keyboard.press("Tab");
  await page.keyboard.type("4");
  await page.getByLabel("No value for note").check();
  await page.getByRole("button", { name: "Add Address" }).click();
  await page.keyboard.type("Bern");
  const matrix = page.locator("[data-name=matrix]");
  await matrix.getByRole("button", { name: "Add an item" }).click();
  await matrix.getByRole("button", { name: "Add an item" }).first().click();
  await page.keyboard.type("7");
  assert.deepEqual(await value(), { limits: { cpu: 4 }, note: null, address: { city: "Bern" }, matrix: [[7]] });
  await page.getByRole("button", { name: "Leave out Address" }).click();
  assert.equal((await value()).address, undefined);
  await close();
});

test("JSON and fields show the same value both ways, and JSON that is none is kept and said", async () => {
  const { page, show, value, check, close } = await open();
  await show({ type: "object", properties: { a: { type: "string" }, list: { type: "array", items: { type: "integer" } } } });
  await page.getByLabel("a", { exact: true }).fill("x");
  const toggle = page.getByRole("button", { name: "Edit as JSON" });
  await toggle.click();
  const json = page.getByLabel("JSON", { exact: true });
  assert.deepEqual(JSON.parse(await json.inputValue()), { a: "x" });
  await json.fill("{ nothing");
  await toggle.click();
  assert.match(await page.locator(".field-error:not([hidden])").textContent() ?? "", /no JSON/);
  assert.equal(await json.inputValue(), "{ nothing");
  await json.fill('{ "a": "y", "list": [1, "b"], "more": { "kept": true } }');
  assert.equal(await check(), false);
  await json.fill('{ "a": "y", "list": [1, 2], "more": { "kept": true } }');
  await toggle.click();
  assert.equal(await page.getByLabel("a", { exact: true }).inputValue(), "y");
  assert.equal(await page.getByLabel("Item 2").inputValue(), "2");
  assert.deepEqual(await value(), { a: "y", list: [1, 2], more: { kept: true } });
  await close();
});

test("Schemas that refer to themselves are opened as far as a person goes", async () => {
  const { page, show, value, close } = await open();
  await show({ $ref: "#/$defs/Node", $defs: { Node: { type: "object", properties: { name: { type: "string" }, next: { $ref: "#/$defs/Node", title: "Next" } } } } });
  for (let depth = 0; depth < 3; depth++) {
    await page.getByRole("button", { name: "Add Next" }).click();
    await page.keyboard.type(`n${depth}`);
  }
  assert.deepEqual(await value(), { next: { name: "n0", next: { name: "n1", next: { name: "n2" } } } });
  await close();
});

test("Suggestions are a listbox that the arrows go through; Escape closes it and leaves the text", async () => {
  const { page, close } = await open();
  await page.evaluate(async () => {
    const { show } = await /** @type {any} */ (window).load("/tests/browser/pages/form.js");
    const cities = ["Basel", "Bern", "Biel"];
    show({ type: "object", properties: { city: { type: "string" }, country: { type: "string", default: "ch" } } }, {
      complete: async (/** @type {string} */ name, /** @type {string} */ typed, /** @type {any} */ others) => others.country === "ch" && name === "city" ? cities.filter(city => city.toLowerCase().startsWith(typed.toLowerCase())) : [],
    });
  });
  const city = page.getByRole("combobox", { name: "city" });
  await city.pressSequentially("be");
  await page.getByRole("option", { name: "Bern" }).waitFor();
  assert.equal(await page.getByRole("option").count(), 1);
  await assertAccessible(page);
  await city.fill("b");
  await page.getByRole("option", { name: "Biel" }).waitFor();
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("ArrowDown");
  const active = await city.getAttribute("aria-activedescendant");
  assert.equal(await page.locator(`[id="${active}"]`).textContent(), "Bern");
  await page.keyboard.press("Enter");
  assert.equal(await city.inputValue(), "Bern");
  assert.equal(await city.getAttribute("aria-expanded"), "false");
  await page.keyboard.press("ArrowDown");
  await page.getByRole("option").first().waitFor();
  await page.keyboard.press("Escape");
  assert.equal(await city.inputValue(), "Bern");
  assert.equal(await page.getByRole("option").count(), 0);
  await close();
});
