// What the build leaves for the gateway: few requests, few bytes, nothing foreign, and a page that starts under the gateway's policy.
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { extname, join } from "node:path";
import { test } from "node:test";
import { build } from "../../build.mjs";
import { launch, policy } from "./harness.mjs";

/** @type {Record<string, string>} */
const types = { ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".webmanifest": "application/manifest+json", ".json": "application/json" };

test("the built page starts with few requests and few bytes, and can start again without its node", { timeout: 120_000 }, async () => {
  const folder = mkdtempSync(join(tmpdir(), "dawn-www-"));
  const www = join(folder, "www");
  await build(www);
  const files = readdirSync(www);
  assert.equal(files.filter(file => file.endsWith(".map")).length, 0, "no source maps");
  assert.match(readFileSync(join(www, "licences.txt"), "utf8"), /^marked .* \(MIT\)$/m);
  assert.ok(!files.some(file => /fake/.test(file) || readFileSync(join(www, file.includes(".") ? file : "index.html"), "utf8").includes("globalThis.fake")), "nothing of the tests is shipped");

  let [requests, bytes] = [0, 0];
  const server = createServer((request, response) => {
    const path = new URL(request.url ?? "/", "http://localhost").pathname;
    const name = path === "/" ? "/index.html" : path;
    if (!existsSync(join(www, name))) {
      response.writeHead(404).end();
      return;
    }
    const isCompressed = existsSync(join(www, `${name}.br`));
    const body = readFileSync(join(www, isCompressed ? `${name}.br` : name));
    requests++;
    bytes += body.length;
    response.writeHead(200, { "content-type": types[extname(name)] ?? "text/html; charset=utf-8", ...(isCompressed ? { "content-encoding": "br" } : {}), ...(name === "/index.html" ? { "content-security-policy": policy } : {}) }).end(body);
  });
  await new Promise(resolve => server.listen(0, "127.0.0.1", () => resolve(undefined)));
  const url = `http://127.0.0.1:${/** @type {import("node:net").AddressInfo} */ (server.address()).port}/`;
  const browser = await launch();
  try {
    const context = await browser.newContext();
    const page = await context.newPage();
    /** @type {string[]} */
    const errors = [];
    page.on("pageerror", error => errors.push(error.message));
    // What the worker keeps beside that is no part of the first load.
    await context.addInitScript(() => { Object.defineProperty(navigator.serviceWorker, "register", { value: (/** @type {any} */ url) => { Object.assign(globalThis, { workerUrl: url }); return Promise.resolve(); } }); });
    await page.goto(url);
    await page.getByTestId("ticket-page").waitFor();
    console.log(`first load: ${requests} requests, ${(bytes / 1024).toFixed(1)} KB`);
    assert.ok(requests <= 40, `${requests} requests`);
    assert.ok(bytes <= 150 * 1024, `${bytes} bytes`);
    assert.deepEqual(errors, []);
    assert.equal(await page.evaluate("String(workerUrl)"), "./worker.js");
    await context.close();

    const second = await browser.newContext();
    const offline = await second.newPage();
    await offline.goto(url);
    await offline.getByTestId("ticket-page").waitFor();
    await offline.evaluate(async () => { await navigator.serviceWorker.ready; });
    await offline.waitForFunction(() => navigator.serviceWorker.controller !== null);
    await second.setOffline(true);
    await offline.reload();
    await offline.getByTestId("ticket-page").waitFor();
    await second.close();
  } finally {
    await browser.close();
    server.closeAllConnections();
    server.close();
    rmSync(folder, { recursive: true, force: true });
  }
});
