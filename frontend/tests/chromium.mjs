// Pages in a real browser, and what makes a test fail on whatever they complain about.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

/** Starts Chromium; a test file needs one. */
export const launch = () => chromium.launch({
  executablePath: process.env.CHROMIUM || "/usr/bin/chromium",
  args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});

/**
 * @typedef {object} PageOptions
 * @property {number} [width]
 * @property {number} [height]
 * @property {"light" | "dark"} [scheme]
 * @property {boolean} [reducedMotion]
 * @property {boolean} [forcedColors]
 * @property {string} [locale]
 * @property {string[]} [permissions]
 * @property {string} [timezone]
 * @property {(string | RegExp)[]} [expected] Complaints that the test means to provoke.
 */

/**
 * Opens a page in a context of its own, with all that it asks for and complains about. `check()` fails where it logged an error or broke its policy; `close()` checks too.
 * @param {import("playwright-core").Browser} browser @param {string} url @param {PageOptions} [options]
 */
export async function openPage(browser, url, { width = 1280, height = 800, scheme = "light", reducedMotion = true, forcedColors = false, locale = "en", permissions = [], timezone, expected = [] } = {}) {
  const context = await browser.newContext({
    viewport: { width, height }, colorScheme: scheme, reducedMotion: reducedMotion ? "reduce" : "no-preference", forcedColors: forcedColors ? "active" : "none", locale, permissions, timezoneId: timezone,
  });
  context.setDefaultTimeout(20_000);
  /** @type {string[]} */
  const complaints = [];
  /** @type {string[]} */
  const requests = [];
  await context.exposeBinding("reportViolation", (_, text) => complaints.push(text));
  await context.addInitScript(() => document.addEventListener("securitypolicyviolation", event =>
    /** @type {any} */ (globalThis).reportViolation(`${event.effectiveDirective} refuses ${event.blockedURI} ${event.sample} (${event.sourceFile}:${event.lineNumber})`)));
  context.on("request", request => requests.push(request.url()));
  context.on("page", page => {
    page.on("console", message => {
      if (message.type() === "error") {
        complaints.push(`${message.text()} (${message.location().url})`);
      }
    });
    page.on("pageerror", error => complaints.push(error.stack ?? error.message));
    page.on("websocket", socket => requests.push(socket.url()));
  });
  const page = await context.newPage();
  await page.goto(url);
  const check = () => assert.deepEqual(complaints.filter(text => !expected.some(one => typeof one === "string" ? text.includes(one) : one.test(text))), [], "the page complained");
  const close = async () => {
    await context.close();
    check();
  };
  return { page, context, complaints, requests, check, close };
}

const axe = readFileSync(fileURLToPath(import.meta.resolve("axe-core/axe.min.js")), "utf8");

/** What axe-core finds wrong, in words; nothing where all is well. @param {import("playwright-core").Page} page @param {string} [within] A selector. @returns {Promise<string[]>} */
export async function accessibilityFaults(page, within) {
  // By the debugger, as the policy forbids foreign scripts.
  await page.evaluate(`globalThis.axe === undefined && (() => { ${axe} })()`);
  const violations = await page.evaluate(within => /** @type {any} */ (globalThis).axe.run(within ?? document, {
    preload: false, // it would copy styles into elements, which the policy refuses
    runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
  }).then((/** @type {any} */ result) => result.violations), within);
  return violations.flatMap((/** @type {any} */ violation) => violation.nodes.map((/** @type {any} */ node) => `${violation.id}: ${node.target.join(" ")}: ${node.failureSummary}`));
}

/** @param {import("playwright-core").Page} page @param {string} [within] */
export const assertAccessible = async (page, within) => assert.deepEqual(await accessibilityFaults(page, within), []);

/** No page is wider than its window: WCAG 1.4.10. @param {import("playwright-core").Page} page */
export async function assertNoOverflow(page) {
  const { wide, width } = await page.evaluate(() => ({ wide: document.documentElement.scrollWidth, width: document.documentElement.clientWidth }));
  assert.ok(wide <= width, `the page is ${wide} px wide in ${width}`);
}

/** Keeps a picture where `SCREENSHOTS` names a directory. @param {import("playwright-core").Page} page @param {string} name */
export async function screenshot(page, name) {
  if (process.env.SCREENSHOTS) {
    await page.screenshot({ path: join(process.env.SCREENSHOTS, `${name}.png`), caret: "hide" });
  }
}
