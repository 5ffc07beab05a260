// Talking: what is sent, how it stands, what comes back and how it is shown, and what becomes of it without a network.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { last, openAgent, say } from "../browser/chat.mjs";
import { enter, steer, world } from "./world.mjs";

/** @typedef {import("playwright-core").Page} Page */

const dot = Buffer.from("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==", "base64");

/** Waits until the last message of someone stands so. @param {Page} page @param {"me" | "agent"} from @param {string} status */
export const stands = (page, from, status) => page.locator(`article[data-from=${from}]`).last().and(page.locator(`[data-status=${status}]`)).waitFor();

test("The head says how the network is, how it is sealed, and how the page looks; who can be talked to is on the left", async () => {
  const opened = await enter();
  const { page } = opened;
  const network = page.getByTestId("network");
  assert.equal(await network.getAttribute("data-status"), "online");
  await page.getByTestId("peers").filter({ hasText: /[2-9] peers/ }).waitFor();
  assert.match(await network.textContent() ?? "", /orchard · hybrid · \d peers/);
  assert.equal(await page.getByTestId("encryption").getAttribute("data-status"), "sealed");
  assert.equal(await page.getByTestId("encryption").textContent(), "End-to-end encrypted");

  const ground = (/** @type {string} */ colour) => page.waitForFunction(colour => getComputedStyle(document.documentElement).backgroundColor === colour, colour, { timeout: 5_000 });
  const [light, dark] = ["rgb(247, 244, 238)", "rgb(21, 19, 26)"];
  const theme = page.getByTestId("theme");
  for (const [chosen, onLight, onDark] of [["auto", light, dark], ["light", light, light], ["dark", dark, dark]]) {
    assert.equal(await theme.getAttribute("data-status"), chosen);
    for (const [scheme, colour] of /** @type {const} */ ([["light", onLight], ["dark", onDark]])) {
      await page.emulateMedia({ colorScheme: scheme });
      await ground(colour);
    }
    if (chosen === "dark") {
      await page.emulateMedia({ colorScheme: "light" });
      await page.reload();
      await page.locator("[data-testid=theme][data-status=dark]").waitFor();
      await ground(dark);
    }
    await theme.click();
  }

  const agents = page.getByTestId("agents");
  // After a reload nodes are learned one by one.
  for (const title of ["First steps", "Front desk"]) {
    await agents.locator(".agent[data-status=online]", { hasText: title }).waitFor();
  }
  await agents.getByRole("searchbox").fill("desk");
  assert.deepEqual(await agents.locator(".agent-name").allTextContents(), ["Front desk"]);
  assert.equal(await agents.locator(".agent").getAttribute("data-address"), `${world.far.id}:desk`);
  await agents.getByRole("searchbox").fill("nobody");
  await agents.getByText("No agent fits.").waitFor();
  await opened.close();
});

test("A message is sent, received and answered in pieces; somebody else's conversation is unread until it is seen", async () => {
  const opened = await enter();
  const { page } = opened;
  await openAgent(page, "Front desk");
  await page.getByTestId("messages").waitFor({ state: "hidden" });
  await say(page, "slowly please");
  await stands(page, "me", "sent");
  await page.getByTestId("typing").filter({ hasText: "Front desk is working on it" }).waitFor();
  await steer({ steps: 1 });
  await stands(page, "me", "received");
  await stands(page, "agent", "streaming");
  await last(page, "agent").getByText("One,").waitFor();
  await page.getByTestId("typing").waitFor({ state: "hidden" });
  assert.equal(await last(page, "agent").getAttribute("aria-busy"), "");
  const side = async (/** @type {"me" | "agent"} */ from) => await last(page, from).locator(".bubble").evaluate(bubble => {
    const [inside, around] = [bubble.getBoundingClientRect(), /** @type {Element} */ (bubble.closest(".feed")).getBoundingClientRect()];
    return inside.left - around.left > around.right - inside.right ? "end" : "start";
  });
  assert.deepEqual([await side("me"), await side("agent")], ["end", "start"]);

  await openAgent(page, "First steps");
  await steer({ steps: 3 });
  await page.getByTestId("agents").locator(".agent", { hasText: "Front desk" }).getByTestId("unread").waitFor();
  assert.equal(await page.title(), "(1) Dawn");
  await openAgent(page, "Front desk");
  await last(page, "agent").getByText("One, two, three.").waitFor();
  await page.locator(".unread-line", { hasText: "New" }).waitFor();
  await page.getByTestId("unread").waitFor({ state: "detached" });
  assert.equal(await page.title(), "Dawn");
  assert.equal(await page.getByTestId("announcer").count(), 1);
  await opened.close();
});

test("Replies are Markdown with coloured code to copy, pictures, sounds and tables; nothing of it is markup or fetched from elsewhere", async () => {
  const opened = await enter({ permissions: ["clipboard-read", "clipboard-write"] });
  const { page } = opened;
  await openAgent(page, "Front desk");
  await say(page, "hello **there**");
  assert.equal(await last(page, "me").locator("strong").textContent(), "there");
  const reply = last(page, "agent");
  await reply.locator(".hljs-keyword", { hasText: "const" }).waitFor();
  await reply.locator("table td", { hasText: "Kyoto" }).waitFor();
  assert.equal(await reply.locator("script, img").count(), 0);
  assert.equal(await reply.getByRole("link", { name: "a link" }).getAttribute("rel"), "noopener noreferrer nofollow");
  await reply.locator(".code-header").getByRole("button", { name: "Copy" }).click();
  await reply.getByRole("button", { name: "Copied" }).waitFor();
  assert.equal((await page.evaluate(() => navigator.clipboard.readText())).trim(), "const sum = (a, b) => a + b; // streams in");
  await page.getByTestId("announcer").filter({ hasText: /Front desk replied: Here is what I found/ }).waitFor();

  await say(page, "show");
  await last(page, "agent").locator("img").waitFor();
  await page.waitForFunction(() => {
    const [picture, sound] = [document.querySelector("article img"), document.querySelector("article audio")];
    return picture instanceof HTMLImageElement && picture.naturalWidth === 10 && sound instanceof HTMLAudioElement && sound.duration > 0.2;
  });
  await say(page, "/prices");
  await last(page, "agent").locator("th", { hasText: "price" }).waitFor();
  assert.deepEqual(await last(page, "agent").locator("th").allTextContents(), ["room", "price", "with"]);
  assert.equal(await last(page, "agent").locator("tbody tr").count(), 2);
  assert.deepEqual(opened.requests.filter(url => !url.replace(/^ws/, "http").startsWith(world.home.origin) && !/^(blob|data):/.test(url)), [], "nothing is asked for elsewhere");
  await opened.close();
});

test("A long call shows how far it is and is cancelled at the agent; what failed says why and can be tried again", async () => {
  const opened = await enter();
  const { page } = opened;
  await openAgent(page, "Front desk");
  const { cancelled } = await steer();
  await say(page, "/slow 4");
  await page.getByTestId("messages").getByText("Room 1 · 25 %").waitFor();
  await steer({ steps: 1 });
  await page.getByTestId("messages").getByText("Room 2 · 50 %").waitFor();
  assert.equal(await page.getByTestId("messages").locator("progress").evaluate(bar => /** @type {any} */ (bar).value / /** @type {any} */ (bar).max), 0.5);
  await page.getByTestId("messages").getByTestId("cancel").click();
  await stands(page, "me", "cancelled");
  await stands(page, "agent", "cancelled");
  assert.equal((await steer()).cancelled.length, cancelled.length + 1);

  await say(page, "/fail");
  await last(page, "agent").getByText("The desk is closed.").waitFor();
  await last(page, "agent").getByText("The tool reports an error").waitFor();
  await say(page, "break once");
  await stands(page, "me", "failed");
  await last(page, "me").getByText("The bell is broken.").waitFor();
  await last(page, "me").getByTestId("retry").click();
  await stands(page, "me", "received");
  await last(page, "agent").getByText("The bell works again.").waitFor();
  await opened.close();
});

test("Files are dropped, pasted and chosen, shown before they are sent, and taken out again", async () => {
  const opened = await enter();
  const { page } = opened;
  await openAgent(page, "Front desk");
  /** @param {"drop" | "paste"} type @param {string} name @param {string} mime @param {string} base64 */
  const give = (type, name, mime, base64) => page.evaluate(([type, name, mime, base64]) => {
    const files = new DataTransfer();
    files.items.add(new File([Uint8Array.from(atob(base64), one => one.charCodeAt(0))], name, { type: mime }));
    const [box, chat] = [/** @type {Element} */ (document.querySelector("[data-testid=composer]")), /** @type {Element} */ (document.querySelector("main.chat"))];
    if (type === "paste") {
      box.dispatchEvent(new ClipboardEvent("paste", { clipboardData: files, bubbles: true, cancelable: true }));
      return "";
    }
    chat.dispatchEvent(new DragEvent("dragover", { dataTransfer: files, bubbles: true, cancelable: true }));
    const during = chat.className;
    chat.dispatchEvent(new DragEvent("drop", { dataTransfer: files, bubbles: true, cancelable: true }));
    return during;
  }, /** @type {const} */ ([type, name, mime, base64]));
  assert.match(await give("drop", "dot.png", "image/png", dot.toString("base64")), /\bdrop\b/);
  await give("paste", "list.csv", "text/csv", Buffer.from("a,b").toString("base64"));
  await page.locator(".composer input[type=file]").setInputFiles({ name: "bytes.bin", mimeType: "application/octet-stream", buffer: Buffer.from([1, 2, 3]) });
  const previews = page.getByRole("list", { name: "Files to send" });
  assert.deepEqual(await previews.locator("li span").allTextContents(), ["dot.png", "list.csv", "bytes.bin"]);
  await page.waitForFunction(() => document.querySelector(".previews img") instanceof HTMLImageElement && /** @type {HTMLImageElement} */ (document.querySelector(".previews img")).naturalWidth > 0);
  await previews.getByRole("button", { name: "Remove bytes.bin" }).click();
  await say(page, "files");
  await last(page, "agent").getByText(`image image/png ${dot.toString("base64").length}`).waitFor();
  await last(page, "agent").getByText("file:///list.csv a,b").waitFor();
  assert.equal(await last(page, "me").locator("img").count(), 1);
  assert.equal(await previews.count(), 0);
  await opened.close();
});

test("Days are told apart; search finds by words, agent, kind and date, and leads there", async () => {
  // Where it is about noon now, so that days begin at some distance.
  const offset = new Date().getUTCHours() - 12;
  const opened = await enter({ timezone: `Etc/GMT${offset < 0 ? offset : `+${offset}`}` });
  const { page } = opened;
  await openAgent(page, "Front desk");
  // Minutes apart: more than two days of them. Each fifth has its number in its text.
  const firstOfDays = await page.evaluate(async () => {
    const count = 3_000;
    const began = Date.now() - count * 60_000;
    await /** @type {any} */ (globalThis).dawnTest.seed(count);
    const midnight = new Date(new Date().toDateString()).getTime();
    return [midnight - 86_400_000, midnight].map(day => {
      let number = Math.ceil((day - began) / 60_000);
      // Some are calls, and have no text.
      while (number % 5 !== 0 || [5, 6].includes(number % 16)) {
        number++;
      }
      return number;
    });
  });
  await say(page, "echo a needle in the hay");
  await last(page, "agent").getByText("a needle in the hay").waitFor();
  const results = page.getByTestId("results").locator("li");
  for (const [number, name] of /** @type {const} */ ([[firstOfDays[0], "Yesterday"], [firstOfDays[1], "Today"]])) {
    await page.getByTestId("search").fill(`(${number})`);
    await results.filter({ hasText: `(${number})` }).first().getByRole("button").click();
    await page.locator(`article:focus[aria-posinset="${number + 1}"]`).waitFor();
    // The day begins some messages above the first that can be searched for.
    const messages = page.getByTestId("messages");
    const day = messages.locator(".day", { hasText: name });
    for (let up = 0; up < 10 && !await day.isVisible(); up++) {
      await messages.evaluate(list => new Promise(resolve => {
        list.scrollTop -= 200;
        requestAnimationFrame(() => requestAnimationFrame(resolve));
      }));
    }
    await day.waitFor();
  }

  await openAgent(page, "First steps");
  await say(page, "/echo needle here");
  await last(page, "agent").getByText("needle here").waitFor();
  const found = async (/** @type {number} */ count) => page.locator(".search-panel [role=status]", { hasText: count === 0 ? "Nothing was found." : new RegExp(`^${count} messages?$`) }).waitFor();
  await page.getByTestId("search").fill("NEEDLE");
  await found(4);
  await page.getByLabel("Agent", { exact: true }).selectOption({ label: "First steps" });
  await found(2);
  await page.getByLabel("Kind").selectOption("text");
  await found(0);
  await page.getByLabel("Kind").selectOption("tool");
  await found(2);
  await page.getByLabel("Agent", { exact: true }).selectOption({ label: "All agents" });
  await page.getByLabel("Kind").selectOption("");
  const day = (/** @type {number} */ before) => new Date(Date.now() - before * 86_400_000 - new Date().getTimezoneOffset() * 60_000).toISOString().slice(0, 10);
  await page.getByLabel("To", { exact: true }).fill(day(1));
  await found(0);
  await page.getByLabel("To", { exact: true }).fill(day(0));
  await page.getByLabel("From", { exact: true }).fill(day(0));
  await found(4);
  await page.keyboard.press("Escape");
  await page.locator(".search-panel").waitFor({ state: "hidden" });
  await opened.close();
});

test("Commands, mentions, the palette, keys, the help sheet, and a conversation as a file", async () => {
  const opened = await enter();
  const { page } = opened;
  await openAgent(page, "First steps");
  await page.getByTestId("composer").pressSequentially("/ro");
  await page.getByRole("option", { name: "/roll" }).waitFor();
  await page.keyboard.press("Tab");
  assert.equal(await page.getByTestId("composer").inputValue(), "/roll ");
  await page.getByTestId("composer").pressSequentially("3d6");
  await page.keyboard.press("Enter");
  await last(page, "agent").locator("th", { hasText: "total" }).waitFor();
  await page.getByTestId("composer").pressSequentially("@des");
  await page.getByRole("option", { name: "@desk" }).waitFor();
  await page.keyboard.press("Enter");
  await page.getByTestId("composer").pressSequentially("echo over there");
  await page.keyboard.press("Enter");
  await page.locator(".chat-title h1", { hasText: "Front desk" }).waitFor();
  await last(page, "agent").getByText("over there").waitFor();

  await page.keyboard.press("Control+k");
  await page.getByTestId("palette").pressSequentially("prices");
  await page.getByRole("option", { name: /\/prices/ }).waitFor();
  await page.keyboard.press("Enter");
  assert.equal(await page.getByTestId("composer").inputValue(), "/prices ");
  await page.getByTestId("composer").fill("");
  await page.keyboard.press("Control+k");
  await page.getByTestId("palette").pressSequentially("first steps");
  await page.keyboard.press("Enter");
  await page.locator(".chat-title h1", { hasText: "First steps" }).waitFor();

  await page.keyboard.press("Alt+ArrowDown");
  await page.locator(".chat-title h1").filter({ hasNotText: "First steps" }).waitFor();
  await page.keyboard.press("Alt+ArrowUp");
  await page.locator(".chat-title h1", { hasText: "First steps" }).waitFor();
  await page.keyboard.press("Control+Shift+f");
  assert.equal(await page.evaluate(() => document.activeElement?.getAttribute("data-testid")), "search");
  await page.keyboard.press("Escape");
  await page.getByTestId("messages").focus();
  await page.keyboard.press("/");
  assert.equal(await page.evaluate(() => document.activeElement?.getAttribute("data-testid")), "composer");
  assert.equal(await page.getByTestId("composer").inputValue(), "");
  await page.getByTestId("messages").focus();
  await page.keyboard.press("?");
  const help = page.getByTestId("help");
  for (const words of ["Ctrl", "/export", "@agent …", `${world.home.origin}/mcp`]) {
    await help.getByText(words, { exact: true }).first().waitFor();
  }
  await help.getByTestId("shortcuts").uncheck();
  await page.keyboard.press("Escape");
  await page.keyboard.press("Control+k");
  assert.equal(await page.getByTestId("palette").count(), 0, "keys can be switched off");

  await openAgent(page, "Front desk");
  const save = async (/** @type {string} */ how) => {
    const [file] = await Promise.all([page.waitForEvent("download"), say(page, how)]);
    return { name: file.suggestedFilename(), text: await readFile(await file.path(), "utf8") };
  };
  const json = await save("/export json");
  assert.match(json.name, /^front-desk-\d{4}-\d\d-\d\d\.json$/);
  assert.deepEqual(JSON.parse(json.text).messages.map((/** @type {any} */ one) => [one.from, one.text, one.status]), [["me", "echo over there", "received"], ["agent", "over there", "done"]]);
  const markdown = await save("/export");
  assert.match(markdown.text, /^# Front desk\n[\s\S]*## You, .*\n\necho over there\n\n## Front desk, .*\n\nover there\n/);
  await say(page, "/clear");
  await page.getByText("Say hello to Front desk").waitFor();
  await opened.close();
});

test("An agent without a chat is talked to by its tools", async () => {
  const opened = await enter();
  const { page } = opened;
  await openAgent(page, "First steps");
  await say(page, "hello");
  await last(page, /** @type {any} */ ("note")).getByText("First steps has no chat").waitFor();
  assert.equal(await page.getByTestId("composer").inputValue(), "hello", "nothing typed is lost");
  for (const line of ["/roll 3d6", "/roll dice=3d6", '/roll {"dice":"3d6"}']) {
    await say(page, line);
    await last(page, "agent").locator("td", { hasText: "3d6" }).waitFor();
    await stands(page, "me", "received");
  }
  await page.locator("article[data-from=agent][data-status=done]").nth(2).waitFor();
  await say(page, "/nothing");
  await last(page, /** @type {any} */ ("note")).getByText("There is no command '/nothing'").waitFor();
  // The same by its form; what is tried there is part of the conversation.
  const tools = page.getByTestId("tools");
  await tools.getByRole("option", { name: /^roll/i }).click();
  await tools.getByLabel("dice").fill("2d6");
  await tools.getByTestId("run").click();
  await tools.locator("[data-testid=call][data-status=done]").waitFor();
  await last(page, "agent").locator("td", { hasText: "2d6" }).waitFor();
  await opened.close();
});
