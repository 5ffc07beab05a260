// How the page is served: at one origin, under a strict policy, with nothing from elsewhere, and as something to install.
import assert from "node:assert/strict";
import { test } from "node:test";
import { openPage } from "../chromium.mjs";
import { openAgent, say, last } from "../browser/chat.mjs";
import { enter, freshAddress, world } from "./world.mjs";

test("All names of this machine lead to one origin; the policy allows the page's own files and nothing else", async () => {
  const { origin } = world.home;
  const { port } = new URL(origin);
  const redirect = await fetch(`http://localhost:${port}/`, { redirect: "manual" });
  assert.equal(redirect.headers.get("location"), `${origin}/`);

  const response = await fetch(`${origin}/`);
  const policy = new Map((response.headers.get("content-security-policy") ?? "").split("; ").map(part => /** @type {const} */ ([part.split(" ")[0], part.split(" ").slice(1).join(" ")])));
  assert.deepEqual(Object.fromEntries(policy), {
    "default-src": "'none'", "script-src": "'self'", "style-src": "'self'", "img-src": "'self' blob: data:", "media-src": "blob: data:", "connect-src": `'self' ws://127.0.0.1:${port}`, "font-src": "'none'",
    "base-uri": "'none'", "form-action": "'none'", "frame-ancestors": "'none'", "require-trusted-types-for": "'script'", "trusted-types": "dawn dompurify", "manifest-src": "'self'", "worker-src": "'self'",
  });
  for (const [name, value] of [["x-content-type-options", "nosniff"], ["referrer-policy", "no-referrer"], ["cross-origin-opener-policy", "same-origin"]]) {
    assert.equal(response.headers.get(name), value);
  }
  const html = await response.text();
  assert.doesNotMatch(html, /<script(?![^>]*src=)|<style| style=| on\w+=/, "nothing inline");
  const script = /src="\.\/(app-[A-Z0-9]+\.js)"/.exec(html)?.[1] ?? "";
  assert.match((await fetch(`${origin}/${script}`)).headers.get("cache-control") ?? "", /immutable/);
});

test("In a whole visit nothing is asked for elsewhere, and the policy is never broken", async () => {
  const opened = await enter();
  const { page, requests } = opened;
  await openAgent(page, "Front desk");
  await say(page, "hello");
  await last(page, "agent").getByText("That is all.").waitFor();
  await page.getByRole("button", { name: "Help" }).click();
  await page.getByTestId("help").waitFor();
  await page.keyboard.press("Escape");
  await page.getByTestId("network").click();
  await page.getByTestId("network-sheet").locator(".graph-node").first().waitFor();
  await page.evaluate(() => navigator.serviceWorker.ready.then(() => 0));
  assert.deepEqual([...new Set(requests.filter(url => !/^(blob|data):/.test(url)).map(url => new URL(url).host))], [new URL(world.home.origin).host]);
  assert.equal(requests.filter(url => url.startsWith("ws")).length, 2, "one link for the ticket and one for the network");
  await opened.close();
});

test("What has a state says so; what only tests use is there where the node is told to, and only there", async () => {
  const opened = await enter();
  const { page } = opened;
  await openAgent(page, "Front desk");
  await say(page, "echo hello");
  await page.locator("article[data-from=me][data-status=received]").waitFor();
  for (const id of ["agents", "messages", "composer", "send", "tools", "network", "encryption", "theme", "search"]) {
    assert.equal(await page.getByTestId(id).count(), 1, id);
  }
  assert.equal(await page.getByTestId("messages").evaluate(list => getComputedStyle(list).overflowY), "auto");
  for (const [selector, status] of [["[data-testid=network]", "online"], ["[data-testid=encryption]", "sealed"], ["[data-testid=theme]", "auto"], ["[data-testid=tools]", "ready"], [".agent[aria-current=true]", "online"], [".chat-title .presence", "online"], ["article[data-from=agent]", "done"]]) {
    await page.locator(`${selector}[data-status=${status}]`).waitFor();
  }
  assert.equal(await page.evaluate(() => typeof /** @type {any} */ (globalThis).dawnTest.seed), "function");
  await page.evaluate(() => /** @type {any} */ (globalThis).dawnTest.seed(10));
  await page.locator("article[aria-setsize='12']").first().waitFor();
  await opened.close();
  // The far node has no such setting.
  assert.doesNotMatch(await (await fetch(`${world.far.origin}/`)).text(), /dawn-test-hooks/);
  const other = await openPage(world.browser, await freshAddress(world.far));
  await other.page.locator("[data-testid=network][data-status=online]").waitFor();
  assert.equal(await other.page.evaluate(() => typeof /** @type {any} */ (globalThis).dawnTest), "undefined");
  await other.close();
});

test("The page can be installed: a manifest, an icon, and a start without its node", async () => {
  const opened = await openPage(world.browser, world.home.origin, { expected: [/ERR_INTERNET_DISCONNECTED|Failed to load resource/] });
  const { page, context } = opened;
  const manifest = await page.evaluate(async () => (await fetch(/** @type {HTMLLinkElement} */ (document.querySelector("link[rel=manifest]")).href)).json());
  assert.deepEqual([manifest.name, manifest.display, manifest.start_url, manifest.scope], ["Dawn", "standalone", "/", "/"]);
  assert.match(manifest.icons[0].purpose, /any/);
  assert.match(manifest.icons[0].purpose, /maskable/);
  const icon = await page.evaluate(async () => {
    const image = new Image();
    image.src = /** @type {HTMLLinkElement} */ (document.querySelector("link[rel=icon]")).href;
    await image.decode();
    return image.naturalWidth;
  });
  assert.ok(icon > 0);
  // What Chromium itself has against an installation; in a context of its own it is never allowed.
  const debug = await context.newCDPSession(page);
  const { installabilityErrors } = await debug.send("Page.getInstallabilityErrors");
  assert.deepEqual(installabilityErrors.filter(error => error.errorId !== "in-incognito"), []);
  await page.evaluate(() => navigator.serviceWorker.ready.then(() => 0));
  await page.waitForFunction(() => navigator.serviceWorker.controller !== null);
  await context.setOffline(true);
  await page.reload();
  await page.getByTestId("ticket-page").waitFor();
  await opened.close();
});
