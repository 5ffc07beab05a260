// Talking to agents in a browser: what is sent, what comes back, and how it is shown.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { last, openAgent, say, startChat } from "./chat.mjs";

/** @type {Awaited<ReturnType<typeof startChat>>} */
let app;
before(async () => { app = await startChat(); });
after(() => app.close());

const fake = (/** @type {import("playwright-core").Page} */ page, /** @type {string} */ script) => page.evaluate(script);

/** Waits for so many calls. A function, as a text would be evaluated again and again, which the page's policy refuses. @param {import("playwright-core").Page} page @param {"calls" | "cancelled"} what @param {number} wanted */
const count = (page, what, wanted) => page.waitForFunction(([what, wanted]) => /** @type {any} */ (globalThis).fake[what].length === wanted, /** @type {const} */ ([what, wanted]));

/** Waits until so many messages are kept, none of them unfinished. @param {import("playwright-core").Page} page @param {number} wanted */
const written = (page, wanted) => page.waitForFunction(wanted => new Promise((resolve, reject) => {
  const opening = indexedDB.open("dawn-chat");
  opening.onerror = () => reject(opening.error);
  opening.onsuccess = () => {
    const reading = opening.result.transaction("messages").objectStore("messages").getAll();
    reading.onsuccess = () => {
      opening.result.close();
      resolve(reading.result.filter(message => message.status !== "streaming").length === wanted);
    };
  };
}), wanted);

test("a ticket in the address is taken and leaves no trace", { timeout: 60_000 }, async () => {
  const { page, close } = await app.open("/#dawn1-abc");
  await page.locator(".agent").first().waitFor();
  assert.equal(new URL(page.url()).hash, "");
  assert.equal(await page.getByTestId("network").getAttribute("data-status"), "online");
  assert.equal(await page.getByTestId("encryption").getAttribute("data-status"), "sealed");
  await page.getByTestId("peers").filter({ hasText: "2 peers" }).waitFor();
  await close();
});

test("a browser without a ticket is told what to do, and can paste one", { timeout: 60_000 }, async () => {
  const { page, close } = await app.open("/");
  await page.evaluate(() => localStorage.setItem("fake.start", "ticket-needed"));
  await page.reload();
  await page.getByText("dawn ui", { exact: true }).waitFor();
  await page.getByTestId("ticket").fill("nonsense");
  await page.getByRole("button", { name: "Join" }).click();
  await page.getByText("This is not a whole ticket. Copy all of it.").waitFor();
  await page.getByTestId("ticket").fill("http://127.0.0.1:7600/#dawn1-xyz");
  await page.getByRole("button", { name: "Join" }).click();
  await page.locator(".agent").first().waitFor();
  await close();
});

test("a reply streams in, is Markdown, and is announced once", { timeout: 60_000 }, async () => {
  const { page, close } = await app.open("/");
  await openAgent(page, "Assistant");
  await page.evaluate(() => { /** @type {any} */ (globalThis).fake.pieceTime = 30; });
  await say(page, "What **do** you know?");
  assert.equal(await last(page, "me").locator("strong").textContent(), "do");
  const reply = last(page, "agent");
  await page.locator("article[data-from=agent][data-status=streaming]").waitFor();
  await page.locator("article[data-from=agent][data-status=done]").waitFor();
  assert.equal(await last(page, "me").getAttribute("data-status"), "received");
  await reply.locator("table td", { hasText: "Kyoto" }).waitFor();
  await reply.locator(".hljs-keyword", { hasText: "const" }).waitFor();
  assert.equal(await reply.locator("script, img").count(), 0, "what a message says is never a part of the page");
  assert.match(await page.getByTestId("announcer").textContent() ?? "", /Assistant replied: Here is what I found/);
  const calls = await fake(page, "fake.calls");
  assert.equal(/** @type {any} */ (calls)[0].args.message, "What **do** you know?");
  assert.match(/** @type {any} */ (calls)[0].args.conversation, /^[0-9a-f-]{36}$/);
  await close();
});

test("an agent without chat is talked to by its tools", { timeout: 60_000 }, async () => {
  const { page, close } = await app.open("/");
  await openAgent(page, "First agent");
  await say(page, "hello");
  await last(page, "note").getByText("First agent has no chat").waitFor();
  assert.equal(await page.getByTestId("composer").inputValue(), "hello", "nothing typed is lost");
  for (const line of ["/roll 3d6", "/roll dice=3d6 times=2", '/roll {"dice":"3d6"}']) {
    await say(page, line);
  }
  await count(page, "calls", 3);
  assert.deepEqual((/** @type {any[]} */ (await fake(page, "fake.calls"))).map(call => call.args), [{ dice: "3d6" }, { dice: "3d6", times: 2 }, { dice: "3d6" }]);
  await last(page, "agent").locator("strong", { hasText: "11" }).waitFor();
  await say(page, "/table");
  await last(page, "agent").locator("th", { hasText: "degrees" }).waitFor();
  await say(page, "/media");
  await last(page, "agent").locator("img").waitFor();
  await last(page, "agent").locator("audio").waitFor();
  await say(page, "/nothing");
  await last(page, "note").getByText("There is no command '/nothing'").waitFor();
  await close();
});

test("a long call shows how far it is, and a cancel cancels it", { timeout: 60_000 }, async () => {
  const { page, close } = await app.open("/");
  await openAgent(page, "First agent");
  await say(page, "/slow");
  await page.locator("progress").waitFor();
  await page.getByTestId("cancel").first().click();
  await count(page, "cancelled", 1);
  await page.locator("article[data-from=me][data-status=cancelled]").waitFor();
  assert.deepEqual(await fake(page, "fake.cancelled"), ["slow"]);
  await close();
});

test("what failed says why, and what may have been done is not sent again by itself", { timeout: 60_000 }, async () => {
  const { page, close } = await app.open("/");
  await openAgent(page, "First agent");
  await fake(page, "fake.failing.roll = 'outcome-unknown'");
  await say(page, "/roll 3d6");
  const sent = last(page, "me");
  await page.locator("article[data-from=me][data-status=failed]").waitFor();
  assert.match(await sent.locator("footer").textContent() ?? "", /The session was lost\. It may have been done all the same\..*Send again anyway/);
  await fake(page, "fake.go('offline'), fake.go('online')");
  assert.equal(await fake(page, "fake.calls.length"), 1);
  await fake(page, "delete fake.failing.roll");
  await sent.getByTestId("retry").click();
  await page.locator("article[data-from=me][data-status=received]").waitFor();
  await close();
});

test("what is written offline survives a reload and leaves once the link is back", { timeout: 60_000 }, async () => {
  const { page, close } = await app.open("/");
  await openAgent(page, "Assistant");
  await fake(page, "fake.go('offline')");
  await page.getByText("Not connected.").waitFor();
  await say(page, "echo kept");
  await page.locator("article[data-from=me][data-status=sending]").waitFor();
  await page.evaluate(() => localStorage.setItem("fake.start", "offline"));
  await page.reload();
  await openAgent(page, "Assistant");
  await page.locator("article[data-from=me][data-status=sending]").waitFor();
  assert.equal(await fake(page, "fake.calls.length"), 0);
  await page.getByRole("button", { name: "Try now" }).click();
  await page.locator("article[data-from=me][data-status=received]").waitFor();
  await last(page, "agent").getByText("kept").waitFor();
  assert.equal(await fake(page, "fake.calls.length"), 1);
  await close();
});

test("what is said elsewhere is unread until it is seen", { timeout: 60_000 }, async () => {
  const { page, close } = await app.open("/");
  await openAgent(page, "Assistant");
  await fake(page, "fake.pieceTime = 30");
  await say(page, "go on");
  await page.locator("article[data-status=streaming], [data-testid=typing]:not([hidden])").first().waitFor();
  await openAgent(page, "First agent");
  await page.getByTestId("unread").waitFor();
  assert.match(await page.title(), /^\(1\)/);
  await openAgent(page, "Assistant");
  await page.getByTestId("unread").waitFor({ state: "detached" });
  await close();
});

test("files are shown before they are sent, and go as content or as text", { timeout: 60_000 }, async () => {
  const { page, close } = await app.open("/");
  await openAgent(page, "Assistant");
  const picker = page.locator(".composer input[type=file]");
  await picker.setInputFiles([{ name: "dot.png", mimeType: "image/png", buffer: Buffer.from("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==", "base64") }, { name: "a.txt", mimeType: "text/plain", buffer: Buffer.from("words") }]);
  await page.locator(".previews img").waitFor();
  assert.equal(await page.locator(".previews li").count(), 2);
  await say(page, "Look.");
  await count(page, "calls", 1);
  const [{ args }] = /** @type {any[]} */ (await fake(page, "fake.calls"));
  assert.deepEqual(args.attachments.map((/** @type {any} */ one) => one.type), ["image", "resource"]);
  assert.equal(args.attachments[1].resource.text, "words");
  await last(page, "me").locator("img").waitFor();

  await openAgent(page, "Text tools");
  await picker.setInputFiles([{ name: "a.txt", mimeType: "text/plain", buffer: Buffer.from("words") }]);
  await say(page, "echo it:");
  await last(page, "agent").getByText("words").waitFor();
  await picker.setInputFiles([{ name: "dot.png", mimeType: "image/png", buffer: Buffer.from("x") }]);
  await say(page, "and this");
  await last(page, "me").getByText("The agent takes text alone").waitFor();
  await close();
});

test("search finds words, by agent and kind, and leads to the message", { timeout: 60_000 }, async () => {
  const { page, close } = await app.open("/");
  await openAgent(page, "Assistant");
  await page.evaluate("dawnTest.seed(600)");
  await say(page, "echo a needle in the hay");
  await page.locator("article[data-from=agent][data-status=done]", { hasText: "needle" }).waitFor();
  await openAgent(page, "First agent");
  await page.getByTestId("search").fill("NEEDLE");
  await page.getByTestId("results").locator("li").first().waitFor();
  assert.equal(await page.getByTestId("results").locator("li").count(), 2);
  await page.getByTestId("search").fill("(300)");
  await page.getByTestId("results").locator("mark", { hasText: "(300)" }).first().click();
  await page.locator("article:focus").waitFor();
  assert.match(await page.locator("article:focus").textContent() ?? "", /\(300\)/);
  await page.getByTestId("search").fill("roll");
  await page.getByLabel("Kind").selectOption("text");
  await page.getByText("Nothing was found.").waitFor();
  await close();
});

test("commands, mentions, the palette and the keys", { timeout: 60_000 }, async () => {
  const { page, close } = await app.open("/");
  await openAgent(page, "First agent");
  await page.getByTestId("composer").pressSequentially("/ro");
  await page.getByRole("option", { name: "/roll" }).waitFor();
  await page.keyboard.press("Tab");
  assert.equal(await page.getByTestId("composer").inputValue(), "/roll ");
  await say(page, "@assistant echo hello there");
  await page.locator(".chat-title h1", { hasText: "Assistant" }).waitFor();
  await last(page, "agent").getByText("hello there").waitFor();
  await page.keyboard.press("Control+k");
  await page.getByTestId("palette").fill("first");
  await page.keyboard.press("Enter");
  await page.locator(".chat-title h1", { hasText: "First agent" }).waitFor();
  await say(page, "/help");
  await page.getByTestId("help").getByText("Connect an MCP client").waitFor();
  assert.match(await page.getByTestId("help").textContent() ?? "", /127\.0\.0\.1:\d+\/mcp/);
  await page.getByTestId("shortcuts").uncheck();
  await page.keyboard.press("Escape");
  await page.keyboard.press("Control+k");
  assert.equal(await page.getByTestId("palette").count(), 0, "keys can be switched off");
  const [saved] = await Promise.all([page.waitForEvent("download"), say(page, "/export json")]);
  assert.match(saved.suggestedFilename(), /^first-agent-.*\.json$/);
  await say(page, "/clear");
  await page.getByText("First agent works by its tools").waitFor();
  await close();
});

test("history is there again after a reload", { timeout: 60_000 }, async () => {
  const { page, close } = await app.open("/");
  await openAgent(page, "Assistant");
  await say(page, "echo remember me");
  await page.locator("article[data-from=agent][data-status=done]").waitFor();
  await written(page, 2);
  await page.reload();
  await openAgent(page, "Assistant");
  await last(page, "agent").getByText("remember me").waitFor();
  assert.equal(await page.locator("article").count(), 2);
  await close();
});
