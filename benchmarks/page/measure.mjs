// What the page costs and how quick it is, in a real browser against real nodes: `node benchmarks/page/measure.mjs [--json]`.
// Needs the built program, the page's development packages (`npm ci` in frontend/) and Chromium (or its path as CHROMIUM). Ends with 0 where every figure holds, with 1 where one does not.
import { fileURLToPath } from "node:url";
import { launch } from "../../frontend/tests/chromium.mjs";
import { DawnNode } from "../../frontend/tests/e2e/nodes.mjs";

const loads = 9;
const calls = 200;
const many = 10_000;
const exchanges = 2_500;

const sorted = (/** @type {number[]} */ numbers) => [...numbers].sort((a, b) => a - b);
const median = (/** @type {number[]} */ numbers) => sorted(numbers)[numbers.length >> 1];
const p95 = (/** @type {number[]} */ numbers) => sorted(numbers)[Math.ceil(numbers.length * 0.95) - 1];

/** @type {{ figure: string, value: number, unit: string, reach: string, holds: boolean }[]} */
const figures = [];
/** @param {string} figure @param {number} value @param {string} unit @param {"<=" | ">="} sign @param {number} reach */
function note(figure, value, unit, sign, reach) {
  const holds = sign === "<=" ? value <= reach : value >= reach;
  figures.push({ figure, value, unit, reach: `${sign} ${reach}`, holds });
  console.error(`${figure}: ${Number.isInteger(value) ? value : value.toFixed(value < 1 ? 3 : 1)} ${unit} (${sign} ${reach})`);
}

const agents = { "Plugins:first:Enabled": true, "Plugins:machine:Enabled": true, "Plugins:text:Enabled": true };
const far = await DawnNode.start({ ...agents, "Listen:0": "ws://127.0.0.1:0" });
const home = await DawnNode.start({
  ...agents, "Gateway:Url": "http://127.0.0.1:0", "Bootstrap:0": far.at, "Gateway:TestHooks": true, "McpServers:many:Command": process.execPath, "McpServers:many:Title": "Many tools", "McpServers:many:Args:0": fileURLToPath(new URL("tools.mjs", import.meta.url)), "McpServers:many:Args:1": "2000", "McpServers:many:Share": "members",
});
const browser = await launch();

/** A page in a browser that has never seen it, with what it took. */
async function open() {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
  const page = await context.newPage();
  const session = await context.newCDPSession(page);
  const seen = { bytes: 0, requests: 0, external: 0 };
  await session.send("Network.enable");
  session.on("Network.requestWillBeSent", (/** @type {any} */ { request }) => {
    seen.requests++;
    seen.external += new URL(request.url).host === new URL(home.ui).host ? 0 : 1;
  });
  session.on("Network.loadingFinished", (/** @type {any} */ { encodedDataLength }) => { seen.bytes += encodedDataLength; });
  await page.addInitScript(() => {
    const seen = { shift: 0, blocked: 0 };
    Object.assign(globalThis, { seen });
    new PerformanceObserver(list => list.getEntries().forEach((/** @type {any} */ entry) => { seen.shift += entry.hadRecentInput ? 0 : entry.value; })).observe({ type: "layout-shift", buffered: true });
    new PerformanceObserver(list => list.getEntries().forEach(entry => { seen.blocked += Math.max(0, entry.duration - 50); })).observe({ type: "longtask", buffered: true });
  });
  await page.goto(await home.cli("ui"), { waitUntil: "commit" });
  // Interactive: the agents are there and can be chosen.
  const interactive = await page.evaluate(async () => {
    while (document.querySelector(".agent") === null) {
      await new Promise(requestAnimationFrame);
    }
    return performance.now();
  });
  return { page, context, session, seen, interactive };
}

/** @param {import("playwright-core").Page} page @param {string} address */
async function choose(page, address) {
  await page.locator(`.agent[data-address="${address}"]`).click();
  await page.getByTestId("composer").waitFor();
}

// --- the first load
/** @type {{ bytes: number, requests: number, external: number, interactive: number, shift: number, blocked: number }[]} */
const first = [];
for (let load = 0; load < loads; load++) {
  const { page, context, seen, interactive } = await open();
  await page.waitForLoadState("networkidle");
  await page.waitForTimeout(1_000);
  first.push({ ...seen, interactive, ...await page.evaluate("seen") });
  await context.close();
}
note("first load", median(first.map(one => one.bytes)) / 1024, "KB", "<=", 150);
note("first load, requests", median(first.map(one => one.requests)), "", "<=", 40);
note("first load, requests elsewhere", Math.max(...first.map(one => one.external)), "", "<=", 0);
note("interactive", median(first.map(one => one.interactive)), "ms", "<=", 500);
note("layout shift", Math.max(...first.map(one => one.shift)), "", "<=", 0.05);
note("blocked", median(first.map(one => one.blocked)), "ms", "<=", 150);

const { page, session } = await open();
const at = (/** @type {string} */ agent, { id } = home) => `${id}:${agent}`;

// --- two hops away: the page, its node, the far node
await page.locator(`.agent[data-address="${at("first", far)}"]`).waitFor();
await choose(page, at("first", far));
/** Sends commands one after another by the composer; the time until each answer is on the screen. @param {number} count @returns {Promise<number[]>} */
const say = count => page.evaluate(async count => {
  const box = /** @type {HTMLTextAreaElement} */ (document.querySelector("[data-testid=composer]"));
  const send = /** @type {HTMLElement} */ (document.querySelector("[data-testid=send]"));
  const newest = () => [...document.querySelectorAll("[data-testid=messages] article")].at(-1);
  const number = () => Number(newest()?.getAttribute("aria-posinset") ?? 0);
  /** @type {number[]} */
  const times = [];
  for (let call = 0; call < count; call++) {
    const before = number();
    box.value = "/roll 3d6";
    box.dispatchEvent(new Event("input", { bubbles: true }));
    const began = performance.now();
    send.click();
    while (!(number() >= before + 2 && newest()?.getAttribute("data-from") === "agent" && newest()?.getAttribute("data-status") === "done")) {
      if (performance.now() - began > 10_000) {
        throw new Error(`call ${call} has no answer: ${newest()?.textContent}`);
      }
      await new Promise(requestAnimationFrame);
    }
    times.push(performance.now() - began);
  }
  return times;
}, count);
await say(10);
const answered = await say(calls);
console.error(`a call: median ${median(answered).toFixed(0)} ms`);
note("a call two hops away, p95", p95(answered), "ms", "<=", 150);

// --- memory
async function memory() {
  await session.send("HeapProfiler.collectGarbage");
  const { usedSize } = await session.send("Runtime.getHeapUsage");
  const { nodes } = await session.send("Memory.getDOMCounters");
  return { heap: usedSize / 1048576, nodes };
}
await say(500);
const early = await memory();
await say(exchanges - 500 - calls - 10);
const late = await memory();
console.error(`memory: ${early.heap.toFixed(1)} MB and ${early.nodes} nodes after 1,420 messages, ${late.heap.toFixed(1)} MB and ${late.nodes} after 5,000`);
note("more memory after 5,000 messages", late.heap - early.heap, "MB", "<=", 5);

// --- two thousand tools
await choose(page, at("many"));
await page.locator("[data-testid=tools] [role=option]").first().waitFor();
/** @type {number[]} */
const selected = [];
for (let tool = 0; tool < 30; tool++) {
  selected.push(await page.evaluate(async tool => {
    const list = /** @type {HTMLElement} */ (document.querySelector("[data-testid=tools] .windowed"));
    list.scrollTop = tool * 60 * 61;
    await new Promise(requestAnimationFrame);
    await new Promise(requestAnimationFrame);
    const row = /** @type {HTMLElement} */ ([...list.querySelectorAll("[role=option]")][4]);
    const name = /** @type {string} */ (/tool-\d+/.exec(row.textContent ?? "")?.[0]);
    const began = performance.now();
    row.click();
    while (!document.querySelector("[data-testid=tools] .detail")?.textContent?.includes(name)) {
      await new Promise(requestAnimationFrame);
    }
    // Painted with the frame after.
    await new Promise(requestAnimationFrame);
    return performance.now() - began;
  }, tool));
  await page.locator("[data-testid=tools] .detail button").first().click();
}
note("choosing one of 2,000 tools, p95", p95(selected), "ms", "<=", 100);

// --- ten thousand messages
await choose(page, at("machine"));
await page.evaluate(`dawnTest.seed(${many})`);
/** @type {number[]} */
const opened = [];
for (let round = 0; round < 5; round++) {
  await choose(page, at("text"));
  await page.waitForTimeout(300);
  opened.push(await page.evaluate(async address => {
    const began = performance.now();
    /** @type {HTMLElement} */ (document.querySelector(`.agent[data-address="${address}"]`)).click();
    while (document.querySelector(`[data-testid=messages] article[aria-setsize="10000"]`) === null) {
      await new Promise(requestAnimationFrame);
    }
    await new Promise(requestAnimationFrame);
    return performance.now() - began;
  }, at("machine")));
}
note("opening 10,000 messages", median(opened), "ms", "<=", 300);
await page.reload();
await page.locator(`.agent[data-address="${at("machine")}"]`).waitFor();
const stored = await page.evaluate(async address => {
  const began = performance.now();
  /** @type {HTMLElement} */ (document.querySelector(`.agent[data-address="${address}"]`)).click();
  while (document.querySelector("[data-testid=messages] article") === null) {
    await new Promise(requestAnimationFrame);
  }
  await new Promise(requestAnimationFrame);
  return performance.now() - began;
}, at("machine"));
note("opening them from storage, after a reload", stored, "ms", "<=", 300);
await page.locator("article[aria-setsize='10000']").first().waitFor();
await page.waitForTimeout(1_000);
const scrolled = await page.evaluate(async () => {
  const list = /** @type {HTMLElement} */ (document.querySelector("[data-testid=messages]"));
  /** @type {number[]} */
  const frames = [];
  let elements = 0;
  await new Promise(requestAnimationFrame);
  let before = performance.now();
  for (let frame = 0; frame < 600; frame++) {
    list.scrollTop -= 90;
    await new Promise(requestAnimationFrame);
    const now = performance.now();
    frames.push(now - before);
    before = now;
    elements = frame % 60 === 0 ? Math.max(elements, document.querySelectorAll("*").length) : elements;
  }
  return { frames, elements };
});
note("scrolling", 1000 * scrolled.frames.length / scrolled.frames.reduce((sum, one) => sum + one, 0), "fps", ">=", 55);
note("scrolling, frame p95", p95(scrolled.frames), "ms", "<=", 25);
note("elements", scrolled.elements, "", "<=", 6_000);
const box = page.getByTestId("composer");
await box.focus();
await page.evaluate(() => {
  const typed = /** @type {number[]} */ ([]);
  Object.assign(globalThis, { typed });
  document.querySelector("[data-testid=composer]")?.addEventListener("keydown", event => {
    const began = event.timeStamp;
    requestAnimationFrame(() => setTimeout(() => typed.push(performance.now() - began)));
  }, { capture: true });
});
await box.pressSequentially("The quick brown fox jumps over the lazy dog, and does so again and again.", { delay: 40 });
note("typing, p95", p95(await page.evaluate("typed")), "ms", "<=", 50);

await browser.close();
await Promise.all([home.stop(), far.stop()]);
if (process.argv.includes("--json")) {
  console.log(JSON.stringify(figures, null, 2));
} else {
  console.table(figures.map(({ value, ...rest }) => ({ ...rest, value: Math.round(value * 1000) / 1000 })));
}
process.exit(figures.every(one => one.holds) ? 0 : 1);
