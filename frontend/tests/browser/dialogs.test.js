import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { assertAccessible, assertNoOverflow, screenshot, start } from "./harness.mjs";

/** @type {Awaited<ReturnType<typeof start>>} */
let site;
before(async () => { site = await start(); });
after(() => site.close());

const agent = { title: "Travel desk", address: "dii6etw2iwkqiemptf2l2qqnj4gy52636bjslkd2ubdd7qigoakq:travel" };
const booking = { message: "Where to?\nAnd when?", requestedSchema: { type: "object", required: ["city"], properties: { city: { type: "string", title: "City" }, date: { type: "string", format: "date", title: "Date" }, class: { type: "string", enum: ["1", "2"], enumNames: ["First", "Second"], default: "2", title: "Class" } } } };
const question = { messages: [{ role: "user", content: { type: "text", text: "What is the capital of France? <b>bold</b>" } }, { role: "assistant", content: [{ type: "image", data: "", mimeType: "image/png" }] }], systemPrompt: "Be brief.", maxTokens: 100 };

/** @param {import("./harness.mjs").PageOptions} [options] */
async function open(options) {
  const opened = await site.open("/tests/browser/pages/parts.html", { expected: [/i18n\/\w+\/\w+\.js/], ...options });
  const { page } = opened;
  await page.waitForSelector("body[data-status=ready]");
  /** Asks, and notes how it ends under a name. @param {string} name @param {string} method @param {any} params */
  const ask = (name, method, params) => page.evaluate(async ([agent, name, method, params]) => {
    const { askingPerson } = await /** @type {any} */ (window).load("/components/dialogs/handlers.js");
    const page = /** @type {any} */ (window);
    page.aborts ??= {};
    page.outcomes ??= {};
    page.aborts[/** @type {string} */ (name)] = new AbortController();
    Promise.resolve().then(() => askingPerson(agent).handlers[/** @type {string} */ (method)](params, { signal: page.aborts[/** @type {string} */ (name)].signal }))
      .then(result => { page.outcomes[/** @type {string} */ (name)] = { result }; }, error => { page.outcomes[/** @type {string} */ (name)] = { code: error.code, message: error.message }; });
  }, [agent, name, method, params]);
  const outcome = async (/** @type {string} */ name) => (await page.waitForFunction(name => /** @type {any} */ (window).outcomes?.[name], name)).jsonValue();
  const abort = (/** @type {string} */ name) => page.evaluate(name => /** @type {any} */ (window).aborts[name].abort(), name);
  return { ...opened, ask, outcome, abort };
}

for (const [width, height, scheme] of /** @type {const} */ ([[1280, 800, "light"], [1280, 800, "dark"], [360, 640, "light"], [360, 640, "dark"], [320, 256, "light"]])) {
  test(`Questions are accessible, ${width} × ${height}, ${scheme}`, async () => {
    const { page, ask, close } = await open({ width, height, scheme });
    for (const [method, params] of /** @type {const} */ ([["elicitation/create", booking], ["elicitation/create", { mode: "url", url: "https://example.org/pay?x=1", message: "Pay there." }], ["sampling/createMessage", question]])) {
      await ask("a", method, params);
      const dialog = page.getByRole("dialog");
      await dialog.waitFor();
      assert.ok(await dialog.getByText("Travel desk").isVisible());
      await assertAccessible(page);
      await assertNoOverflow(page);
      await screenshot(page, `dialog-${await dialog.getAttribute("data-kind")}-${width}-${scheme}`);
      await page.keyboard.press("Escape");
      await dialog.waitFor({ state: "detached" });
    }
    await close();
  });
}

test("A form that is filled in by keyboard is sent when it is right; declined and dismissed are told apart", async () => {
  const { page, ask, outcome, close } = await open();
  await ask("sent", "elicitation/create", booking);
  await page.getByRole("dialog").waitFor();
  await page.keyboard.press("Enter");
  assert.equal(await page.locator(".field-error:not([hidden])").textContent(), "Fill this in.");
  await page.keyboard.type("Bern");
  await page.keyboard.press("Enter");
  assert.deepEqual(await outcome("sent"), { result: { action: "accept", content: { city: "Bern", class: "2" } } });
  await ask("declined", "elicitation/create", booking);
  await page.getByRole("button", { name: "Decline" }).click();
  assert.deepEqual(await outcome("declined"), { result: { action: "decline" } });
  await ask("dismissed", "elicitation/create", booking);
  await page.getByRole("dialog").waitFor();
  await page.keyboard.press("Escape");
  assert.deepEqual(await outcome("dismissed"), { result: { action: "cancel" } });
  await close();
});

test("An address is shown whole, with its host, and opened without a way back; others than https are refused", async () => {
  const { page, context, ask, outcome, close } = await open();
  await ask("opened", "elicitation/create", { mode: "url", message: "Sign in there.", url: `http://user@127.0.0.1:${new URL(site.url).port}/tests/browser/pages/empty.html?state=1#x`, elicitationId: "1" });
  assert.equal(await page.getByTestId("address").locator("strong").textContent(), new URL(site.url).host);
  assert.match(await page.getByTestId("address").textContent() ?? "", /state=1#x$/);
  assert.ok(await page.getByText("before the '@'").isVisible());
  const [opened] = await Promise.all([context.waitForEvent("page"), page.getByRole("button", { name: "Open this address" }).click()]);
  assert.equal(await opened.evaluate(() => window.opener), null);
  assert.deepEqual(await outcome("opened"), { result: { action: "accept" } });
  for (const url of ["javascript:alert(1)", "http://example.org/", "data:text/html,x", "no address"]) {
    await ask(url, "elicitation/create", { mode: "url", message: "There.", url });
    assert.equal((await outcome(url)).code, -32602);
  }
  await close();
});

test("A person answers in a model's place, or refuses; what agents write is no markup", async () => {
  const { page, ask, outcome, close } = await open();
  await ask("answered", "sampling/createMessage", question);
  assert.ok(await page.getByText("<b>bold</b>").isVisible());
  await page.getByRole("button", { name: "Answer" }).click();
  assert.equal(await page.getByLabel("Your answer").getAttribute("aria-invalid"), "true");
  await page.keyboard.type("Paris");
  await page.getByRole("button", { name: "Answer" }).click();
  assert.deepEqual(await outcome("answered"), { result: { role: "assistant", content: { type: "text", text: "Paris" }, model: "a person", stopReason: "endTurn" } });
  await ask("refused", "sampling/createMessage", question);
  await page.getByRole("button", { name: "Refuse" }).click();
  assert.equal((await outcome("refused")).code, -1);
  await ask("empty", "sampling/createMessage", {});
  assert.equal((await outcome("empty")).code, -32602);
  await close();
});

test("Questions come one at a time and in order; one that is taken back goes, shown or waiting", async () => {
  const { page, ask, outcome, abort, close } = await open();
  for (const name of ["first", "second", "third", "fourth"]) {
    await ask(name, "elicitation/create", { ...booking, message: `This is ${name}.` });
  }
  await page.getByText("This is first.").waitFor();
  assert.equal(await page.getByRole("dialog").count(), 1);
  await abort("third");
  await abort("first");
  await page.getByText("This is second.").waitFor();
  assert.equal(await page.getByRole("dialog").count(), 1);
  assert.deepEqual(await outcome("first"), { result: { action: "cancel" } });
  await page.getByRole("button", { name: "Decline" }).click();
  await page.getByText("This is fourth.").waitFor();
  assert.deepEqual(await outcome("third"), { result: { action: "cancel" } });
  await page.getByRole("button", { name: "Decline" }).click();
  await page.getByRole("dialog").waitFor({ state: "detached" });
  await close();
});

test("What can't be undone is asked first, and no is the nearest answer", async () => {
  const { page, close } = await open();
  const asked = page.evaluate(async () => (await /** @type {any} */ (window).load("/components/dialogs/dialog.js")).confirm({ title: "Delete?", text: "All of it.", action: "Delete", isDangerous: true }));
  await page.getByRole("dialog", { name: "Delete?" }).waitFor();
  assert.equal(await page.evaluate(() => document.activeElement?.textContent), "Cancel");
  await assertAccessible(page);
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  assert.equal(await asked, true);
  await close();
});
