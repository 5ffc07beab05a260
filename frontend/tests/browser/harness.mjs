// The product's pages in a real browser: its files and policy from a small server, one Chromium, and a test that fails on whatever the page complained about.
import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join, normalize, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import assert from "node:assert/strict";
import { chromium } from "playwright-core";

const root = fileURLToPath(new URL("../../", import.meta.url));
const modules = join(root, "node_modules");

/** What the gateway sends with every page; a test that needs less than this is a fault of the page. */
export const policy = [
  "default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self' blob: data:", "media-src blob: data:", "connect-src 'self' ws://127.0.0.1:*",
  "font-src 'none'", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'", "require-trusted-types-for 'script'", "trusted-types dawn dompurify",
  "manifest-src 'self'", "worker-src 'self'",
].join("; ");

/** @type {Record<string, string>} */
const types = {
  ".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".mjs": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8",
  ".json": "application/json", ".webmanifest": "application/manifest+json", ".svg": "image/svg+xml", ".png": "image/png", ".ico": "image/x-icon", ".woff2": "font/woff2",
};

// `from "idb"`, `import "idb"`, `import("idb")`: names without a path, which browsers know only by an import map, and the policy forbids inline ones.
const bare = /(\bfrom\s*|\bimport\s*\(?\s*)(["'])((?:@[\w.-]+\/)?[a-z][\w.-]*(?:\/[\w./-]+)?)\2/g;

/** Where a library's module lies: `/lib/` and its place in node_modules. @param {string} name */
export function libraryPath(name) {
  const file = fileURLToPath(import.meta.resolve(name));
  return `/lib/${relative(modules, file).split(sep).join("/")}`;
}

/** Puts paths in place of the names of libraries. @param {string} source */
export const mapLibraries = source => source.replace(bare, (whole, before, quote, name) => {
  try {
    return `${before}${quote}${libraryPath(name)}${quote}`;
  } catch {
    return whole; // words in a string or a comment
  }
});

/**
 * Serves `frontend/` on a port of its own. `/favicon.ico` is there, so that the browser's own request is no error.
 * @param {{ routes?: Record<string, (request: import("node:http").IncomingMessage, response: import("node:http").ServerResponse) => void> }} [options]
 * @returns {Promise<{ url: string, close: () => Promise<void> }>}
 */
export async function serve({ routes = {} } = {}) {
  const server = createServer((request, response) => {
    const path = decodeURIComponent(new URL(request.url ?? "/", "http://localhost").pathname);
    const route = routes[path];
    if (route !== undefined) {
      route(request, response);
    } else {
      void send(path, response);
    }
  });
  await new Promise(resolve => server.listen(0, "127.0.0.1", () => resolve(undefined)));
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  return {
    url: `http://127.0.0.1:${port}`,
    close: () => new Promise(resolve => {
      server.closeAllConnections();
      server.close(() => resolve(undefined));
    }),
  };
}

/** @param {string} path @param {import("node:http").ServerResponse} response */
async function send(path, response) {
  const name = path.endsWith("/") ? `${path}index.html` : path;
  const [base, below] = name.startsWith("/lib/") ? [modules, name.slice(5)] : [root, name.slice(1)];
  const file = normalize(join(base, below));
  try {
    if (!file.startsWith(base)) {
      throw new Error("outside");
    }
    const body = name === "/favicon.ico" ? Buffer.alloc(0) : await readFile(file);
    const type = types[extname(file)] ?? "application/octet-stream";
    response.writeHead(200, { "content-type": type, "content-security-policy": policy, "cache-control": "no-store", "x-content-type-options": "nosniff", "referrer-policy": "no-referrer" });
    response.end(type.startsWith("text/javascript") ? mapLibraries(body.toString("utf8")) : body);
  } catch {
    response.writeHead(404, { "content-type": "text/plain" });
    response.end(`There is no ${path}.`);
  }
}

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
 * @property {(string | RegExp)[]} [expected] Complaints that the test means to provoke.
 */

/**
 * A server and a browser together.
 * @param {Parameters<typeof serve>[0]} [options]
 */
export async function start(options) {
  const [server, browser] = await Promise.all([serve(options), launch()]);
  /**
   * Opens a page in a context of its own. `check()` fails where it logged an error or broke the policy; `close()` checks too.
   * @param {string} path @param {PageOptions} [options]
   */
  async function open(path, { width = 1280, height = 800, scheme = "light", reducedMotion = true, forcedColors = false, locale = "en", expected = [] } = {}) {
    const context = await browser.newContext({
      viewport: { width, height }, colorScheme: scheme, reducedMotion: reducedMotion ? "reduce" : "no-preference", forcedColors: forcedColors ? "active" : "none", locale,
    });
    const page = await context.newPage();
    /** @type {string[]} */
    const complaints = [];
    page.on("console", message => {
      if (message.type() === "error") {
        complaints.push(`${message.text()} (${message.location().url})`);
      }
    });
    page.on("pageerror", error => complaints.push(error.stack ?? error.message));
    await page.exposeBinding("reportViolation", (_, text) => complaints.push(text));
    await page.addInitScript(() => document.addEventListener("securitypolicyviolation", event =>
      /** @type {any} */ (globalThis).reportViolation(`${event.effectiveDirective} refuses ${event.blockedURI} ${event.sample} (${event.sourceFile}:${event.lineNumber})`)));
    await page.goto(server.url + path);
    const check = () => assert.deepEqual(complaints.filter(text => !expected.some(one => typeof one === "string" ? text.includes(one) : one.test(text))), [], "the page complained");
    const close = async () => {
      await context.close();
      check();
    };
    return { page, context, complaints, check, close };
  }
  const close = async () => {
    await browser.close();
    await server.close();
  };
  return { url: server.url, browser, open, close };
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
  if (process.env.SCREENSHOTS !== undefined) {
    await page.screenshot({ path: join(process.env.SCREENSHOTS, `${name}.png`), fullPage: true });
  }
}
