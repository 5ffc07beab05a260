// How the page looks to axe, fits where there is little room, and how quick it is with ten thousand messages. Figures are printed; what is asserted leaves room for slow machines.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { last, openAgent, say, startChat } from "./chat.mjs";
import { assertAccessible, assertNoOverflow, screenshot } from "./harness.mjs";

/** @type {Awaited<ReturnType<typeof startChat>>} */
let app;
before(async () => { app = await startChat(); });
after(() => app.close());

for (const scheme of /** @type {const} */ (["light", "dark"])) {
  for (const width of [1280, 360]) {
    test(`nothing is wrong for axe: ${scheme}, ${width} px`, { timeout: 90_000 }, async () => {
      const { page, close } = await app.open("/", { scheme, width, height: 800 });
      await page.locator(".agent").first().waitFor({ state: "attached" });
      await assertAccessible(page);
      if (width < 700) {
        await page.locator(".drawer-open").click();
        await assertAccessible(page);
      }
      await openAgent(page, "Assistant");
      await say(page, "What do you know?");
      await page.locator("article[data-from=agent][data-status=done]").waitFor();
      await last(page, "agent").locator(".hljs-keyword").first().waitFor();
      await page.evaluate("dawnTest.seed(40)");
      await page.locator("article[aria-setsize='42']").last().waitFor();
      await assertAccessible(page);
      await screenshot(page, `chat-${scheme}-${width}`);
      await page.getByRole("button", { name: "Help" }).click();
      await page.getByTestId("help").waitFor();
      await assertAccessible(page);
      await close();
    });
  }
}

test("the page fits in 320 pixels", { timeout: 60_000 }, async () => {
  const { page, close } = await app.open("/", { width: 320, height: 640 });
  await page.locator(".drawer-open").click();
  await assertNoOverflow(page);
  await openAgent(page, "Assistant");
  await page.evaluate("dawnTest.seed(60)");
  await assertNoOverflow(page);
  assert.equal(await page.getByTestId("agents").evaluate(element => /** @type {any} */ (element).inert), true, "a closed drawer is inert");
  await close();
});

/** Milliseconds until a conversation is seen. @param {import("playwright-core").Page} page */
const timeToOpen = page => page.evaluate(async () => {
  const began = performance.now();
  /** @type {HTMLElement} */ (document.querySelector(".agent[data-address$=':assistant']")).click();
  while (document.querySelector(".feed article") === null || !document.querySelector(".chat-title h1")?.textContent?.includes("Assistant")) {
    await new Promise(requestAnimationFrame);
    if (performance.now() - began > 20_000) {
      throw new Error(`not seen: ${document.querySelector("main")?.outerHTML.slice(0, 2_000)}`);
    }
  }
  await new Promise(requestAnimationFrame);
  return performance.now() - began;
});

test("ten thousand messages open quickly, scroll smoothly, and are few elements", { timeout: 120_000 }, async () => {
  const { page, close } = await app.open("/", { reducedMotion: false });
  await openAgent(page, "Assistant");
  await page.evaluate("dawnTest.seed(10000)");
  await openAgent(page, "First agent");
  const opened = await timeToOpen(page);
  await page.reload();
  await page.locator(".agent").first().waitFor();
  const cold = await timeToOpen(page);
  await page.locator("article[aria-setsize='10000']").first().waitFor();
  const scrolled = await page.evaluate(async () => {
    const list = /** @type {HTMLElement} */ (document.querySelector(".feed"));
    /** @type {number[]} */
    const frames = [];
    let before = performance.now();
    for (let frame = 0; frame < 180; frame++) {
      list.scrollTop -= 90;
      await new Promise(requestAnimationFrame);
      const now = performance.now();
      frames.push(now - before);
      before = now;
    }
    frames.sort((a, b) => a - b);
    return { fps: 1000 * frames.length / frames.reduce((sum, one) => sum + one, 0), worst: frames[frames.length - 1], elements: document.querySelectorAll("*").length };
  });
  console.log(`10,000 messages: open ${opened.toFixed(0)} ms, from storage ${cold.toFixed(0)} ms, scroll ${scrolled.fps.toFixed(1)} fps (longest frame ${scrolled.worst.toFixed(0)} ms), ${scrolled.elements} elements`);
  assert.ok(opened < 1_500 && cold < 3_000, "opening");
  assert.ok(scrolled.fps > 20, "scrolling");
  assert.ok(scrolled.elements <= 6_000, "elements");
  await close();
});

test("without the node's word there is no test hook", { timeout: 60_000 }, async () => {
  app.withoutHooks();
  const { page, close } = await app.open("/");
  await page.locator(".agent").first().waitFor();
  assert.equal(await page.evaluate("typeof dawnTest"), "undefined");
  await close();
});
