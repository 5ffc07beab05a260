// Parts of the product in a real browser: its files and policy from a small server, and one Chromium.
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join, normalize, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { launch, openPage } from "../chromium.mjs";

export { accessibilityFaults, assertAccessible, assertNoOverflow, launch, screenshot } from "../chromium.mjs";

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

/** @typedef {import("../chromium.mjs").PageOptions} PageOptions */

/**
 * A server and a browser together.
 * @param {Parameters<typeof serve>[0]} [options]
 */
export async function start(options) {
  const [server, browser] = await Promise.all([serve(options), launch()]);
  const close = async () => {
    await browser.close();
    await server.close();
  };
  return { url: server.url, browser, open: (/** @type {string} */ path, /** @type {PageOptions} */ options = {}) => openPage(browser, server.url + path, options), close };
}
