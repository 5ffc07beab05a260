// What an agent offers: tools by forms, resources that change, prompts with suggestions, calls that were made, and what agents ask of the person.
import assert from "node:assert/strict";
import { test } from "node:test";
import { openAgent, say, last } from "../browser/chat.mjs";
import { enter, steer } from "./world.mjs";

/** @typedef {import("playwright-core").Page} Page */

/** A page with the desk open. @param {Parameters<typeof enter>[0]} [options] */
async function atTheDesk(options) {
  const opened = await enter(options);
  await openAgent(opened.page, "Front desk");
  const tools = opened.page.getByTestId("tools");
  await tools.and(opened.page.locator("[data-status=ready]")).waitFor();
  /** @param {string} title */
  const choose = async title => {
    const back = tools.getByRole("button", { name: "Back to the list" });
    if (await back.isVisible()) {
      await back.click();
    }
    await tools.getByRole("option", { name: title }).click();
    await tools.locator(".panel-head h2").filter({ hasText: title }).waitFor();
  };
  const call = tools.getByTestId("call");
  /** @param {string} status */
  const ends = status => call.and(opened.page.locator(`[data-status=${status}]`)).waitFor();
  return { ...opened, tools, choose, call, ends, run: () => tools.getByTestId("run").click() };
}

test("A form of a nested schema has its defaults, says what is wrong at the field, and sends what was filled in, as fields or as JSON", async () => {
  const { page, tools, choose, call, ends, run, close } = await atTheDesk();
  await choose("Book a room");
  assert.equal(await tools.getByLabel("Nights").inputValue(), "2");
  assert.equal(await tools.getByLabel("Kind").evaluate(select => /** @type {any} */ (select).selectedOptions[0].textContent), "single");

  await run();
  const fault = (/** @type {string} */ name) => tools.locator(`.field[data-name=${name}] > .field-error:not([hidden])`);
  await fault("name").filter({ hasText: "Fill this in." }).waitFor();
  await fault("mail").waitFor();
  assert.equal(await call.count(), 0, "nothing was called");
  assert.equal(await page.evaluate(() => document.activeElement?.getAttribute("aria-invalid")), "true", "the first fault has the focus");
  assert.ok(await tools.getByRole("alert").locator("li").count() >= 3);
  const wishes = tools.getByRole("group", { name: "Wishes" });
  await wishes.getByRole("button", { name: "Add an item" }).click();
  await run();
  await wishes.getByText("Fill this in.").waitFor();

  await tools.getByLabel("Name").fill("Ada");
  await tools.getByLabel("E-mail").fill("ada");
  await tools.getByLabel("Born").fill("1815-12-10");
  await tools.getByLabel("Kind").selectOption({ label: "double" });
  await tools.getByLabel("Nights").fill("20");
  await tools.getByLabel("breakfast").check();
  await tools.getByLabel("late").check();
  await wishes.getByLabel("Item 1").fill("quiet");
  await wishes.getByRole("button", { name: "Add an item" }).click();
  await wishes.getByLabel("Item 2").fill("high up");
  await wishes.getByRole("button", { name: "Move up" }).nth(1).click();
  const room = tools.getByRole("group", { name: "Room" });
  await room.getByLabel("Which one").selectOption({ label: "By view" });
  await room.getByLabel("View").selectOption({ label: "The hill" });
  await run();
  await fault("mail").filter({ hasText: "This is not in the format 'email'." }).waitFor();
  await fault("nights").filter({ hasText: "At most 14." }).waitFor();
  await tools.getByLabel("E-mail").fill("ada@example.org");
  await tools.getByLabel("Nights").fill("3");
  await run();
  await ends("done");
  const sent = { guest: { name: "Ada", mail: "ada@example.org", born: "1815-12-10" }, kind: "double", nights: 3, extras: ["breakfast", "late"], wishes: ["high up", "quiet"], room: { by: "view", view: "hill" }, loud: false };
  await call.getByText("Request and response").click();
  assert.deepEqual(JSON.parse(await call.locator(".raw-part pre").first().textContent() ?? ""), { method: "tools/call", params: { name: "book", arguments: sent } });
  assert.deepEqual(JSON.parse(await call.locator(".raw-part pre").last().textContent() ?? "").structuredContent, { number: 4711, ...sent });
  await call.locator("th", { hasText: "number" }).waitFor();

  await tools.getByRole("button", { name: "Edit as JSON" }).click();
  const json = tools.getByRole("textbox", { name: "JSON" });
  assert.deepEqual(JSON.parse(await json.inputValue()), sent);
  await json.fill(JSON.stringify({ ...sent, nights: 99 }));
  await run();
  await tools.getByText("nights: At most 14.").waitFor();
  await json.fill(JSON.stringify({ ...sent, nights: 7 }));
  await tools.getByRole("button", { name: "Edit as JSON" }).click();
  assert.equal(await tools.getByLabel("Nights").inputValue(), "7");
  // What was called by hand is part of what was said.
  await last(page, "agent").locator("th", { hasText: "number" }).waitFor();
  await close();
});

test("A long call shows how far it is and is cancelled; one that may destroy is asked about; failures and media are shown as what they are", async () => {
  const { page, tools, choose, call, ends, run, close } = await atTheDesk();
  const { cancelled } = await steer();
  await choose("Clean up");
  await run();
  await call.getByText("Room 1").waitFor();
  await steer({ steps: 1 });
  await call.getByText("Room 2").waitFor();
  assert.equal(await call.locator("progress").evaluate(bar => /** @type {any} */ (bar).value), 2);
  await call.getByRole("button", { name: "Cancel" }).click();
  await ends("cancelled");
  assert.equal((await steer()).cancelled.length, cancelled.length + 1);

  await choose("Forget all");
  await run();
  const question = page.getByRole("dialog");
  await question.getByText("\"year\": 2024").waitFor();
  await question.locator("[data-action=cancel]").click();
  assert.equal(await call.count(), 0);
  await run();
  await question.locator("[data-action=confirm]").click();
  await call.getByText("2024 is forgotten.").waitFor();

  await choose("fail");
  await run();
  await call.getByText("The tool says that it failed").waitFor();
  await call.getByText("The desk is closed.").waitFor();
  await choose("Media");
  await run();
  await ends("done");
  await page.waitForFunction(() => {
    const [picture, sound] = [document.querySelector(".call img"), document.querySelector(".call audio")];
    return picture instanceof HTMLImageElement && picture.naturalWidth === 10 && sound instanceof HTMLAudioElement && sound.duration > 0.2;
  });
  await call.getByRole("button", { name: "Read" }).click();
  await tools.locator(".panel-head h2", { hasText: "Guests now" }).waitFor();
  await close();
});

test("Resources are read, followed while they change, and found by a template with suggestions", async () => {
  const { tools, choose, call, ends, run, close } = await atTheDesk();
  await tools.getByRole("tab", { name: /Resources/ }).click();
  await choose("Guests now");
  await run();
  await ends("done");
  const guests = async (/** @type {number} */ count) => call.locator("td", { hasText: new RegExp(`^${count}$`) }).waitFor();
  const before = Number(await call.locator("td").textContent());
  await tools.getByTestId("subscribe").click();
  await tools.getByText("Shown as it changes.").waitFor();
  await steer({ change: true });
  await guests(before + 1);
  await steer({ change: true });
  await guests(before + 2);
  await tools.getByText("Changed 2 times.").waitFor();
  await tools.getByTestId("subscribe").click();
  await tools.locator("[data-testid=subscribe][aria-pressed=false]").waitFor();

  await choose("Photo");
  await run();
  await call.locator("img").waitFor();
  await choose("Menu of a day");
  await tools.getByRole("combobox", { name: "day" }).pressSequentially("t");
  await tools.getByRole("option", { name: "thursday" }).waitFor();
  assert.deepEqual(await tools.locator(".options [role=option]").allTextContents(), ["tuesday", "thursday"]);
  await tools.getByRole("combobox", { name: "day" }).press("ArrowDown");
  await tools.getByRole("combobox", { name: "day" }).press("ArrowDown");
  await tools.getByRole("combobox", { name: "day" }).press("Enter");
  await tools.getByLabel("guests").fill("2 & 3");
  await tools.getByText("desk://menu/thursday?guests=2%20%26%203", { exact: true }).waitFor();
  await run();
  await call.locator("td", { hasText: "desk://menu/thursday?guests=2%20%26%203" }).waitFor();
  await close();
});

test("Prompts take arguments with suggestions; calls are kept and repeated; what an agent offers later appears", async () => {
  const { page, tools, choose, call, ends, run, close } = await atTheDesk();
  await tools.getByRole("tab", { name: /Prompts/ }).click();
  await choose("Write a letter");
  await run();
  await tools.getByText("Fill this in.").first().waitFor();
  await tools.getByRole("combobox", { name: "to (required)" }).fill("");
  await tools.getByRole("combobox", { name: "to (required)" }).pressSequentially("A");
  await tools.getByRole("option", { name: "Alan" }).click();
  // A suggestion knows the other arguments.
  await tools.getByRole("combobox", { name: "tone" }).pressSequentially("w");
  await tools.getByRole("option", { name: "warm, as to Alan" }).click();
  await run();
  await call.getByText("Write to Alan, warm, as to Alan.").waitFor();

  await tools.getByRole("tab", { name: "Tools" }).click();
  await choose("Prices");
  await run();
  await ends("done");
  await tools.getByRole("tab", { name: "History" }).click();
  assert.deepEqual(await tools.getByRole("option").locator(".row-title").allTextContents(), ["prices", "letter"]);
  await tools.getByRole("option", { name: "letter" }).click();
  await tools.getByTestId("repeat").click();
  await tools.locator(".panel-head h2", { hasText: "Write a letter" }).waitFor();
  await call.getByText("Write to Alan, warm, as to Alan.").waitFor();
  await tools.getByRole("tab", { name: "History" }).click();
  assert.equal(await tools.getByRole("option").count(), 3);

  await tools.getByRole("tab", { name: "Tools" }).click();
  await steer({ more: true });
  await tools.getByRole("option", { name: "Came later" }).waitFor();
  await tools.getByRole("searchbox").fill("cost");
  await tools.getByText(/^1 of \d+$/).waitFor();
  assert.deepEqual(await tools.getByRole("option").locator(".row-title").allTextContents(), ["Prices"]);
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  await tools.locator(".panel-head h2", { hasText: "Prices" }).waitFor();
  await close();
});

test("Agents ask the person, by form or in a model's place, from the tools and from the chat; who asks is named", async () => {
  const { page, choose, call, run, close } = await atTheDesk();
  const dialog = page.getByTestId("dialog");
  await choose("Ask the person");
  await run();
  await dialog.getByText("Who are you?").waitFor();
  await dialog.getByText("Front desk").waitFor();
  assert.equal(await dialog.getAttribute("data-kind"), "elicitation");
  await dialog.getByLabel("Name").fill("A");
  await page.keyboard.press("Enter");
  await dialog.getByText("At least 2 characters.", { exact: true }).waitFor();
  await dialog.getByLabel("Name").fill("Ada");
  await dialog.getByLabel("Size").selectOption({ label: "Large" });
  await dialog.getByRole("button", { name: "Send" }).click();
  await dialog.waitFor({ state: "detached" });
  await call.getByText('They accept: {"name":"Ada","size":"l"}').waitFor();
  await run();
  await dialog.getByRole("button", { name: "Decline" }).click();
  await call.getByText("They decline: null").waitFor();

  await choose("Ask a model");
  await run();
  await dialog.getByText("What is the capital of France?").waitFor();
  await dialog.getByLabel("Your answer").fill("Paris");
  await dialog.getByRole("button", { name: "Answer" }).click();
  await call.getByText("Paris").waitFor();
  await run();
  await dialog.getByRole("button", { name: "Refuse" }).click();
  await call.getByText("The person refused the request.").waitFor();

  await say(page, "ask");
  await dialog.getByText("Which floor?").waitFor();
  await dialog.getByLabel("Floor").fill("3");
  await page.keyboard.press("Enter");
  await last(page, "agent").getByText('You said {"action":"accept","content":{"floor":3}}').waitFor();
  await close();
});
