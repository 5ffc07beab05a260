import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { assertAccessible, assertNoOverflow, screenshot, start } from "./harness.mjs";
import { wordsOfText } from "../../components/network/fingerprint.js";

/** @type {Awaited<ReturnType<typeof start>>} */
let site;
before(async () => { site = await start(); });
after(() => site.close());

/** @param {import("./harness.mjs").PageOptions} [options] @param {{ isOwner?: boolean, many?: number }} [network] @param {string} [lang] */
async function open(options, network = {}, lang = "en") {
  const opened = await site.open(`/tests/browser/pages/parts.html?lang=${lang}`, { expected: [/i18n\/\w+\/\w+\.js/], ...options });
  const { page } = opened;
  await page.waitForSelector("body[data-status=ready]");
  await page.evaluate(async network => (await /** @type {any} */ (window).load("/tests/browser/pages/network.js")).show(network), network);
  await page.locator(".nodes tbody tr").nth(5).waitFor();
  await page.locator(".graph-link[data-kind=route]").waitFor({ state: "attached" }); // the last that the home node tells
  await page.locator(".problems").waitFor();
  const ids = await page.evaluate(() => /** @type {any} */ (window).ids);
  return { ...opened, ids };
}

for (const [width, scheme] of /** @type {const} */ ([[1280, "light"], [1280, "dark"], [360, "light"], [360, "dark"], [320, "light"]])) {
  test(`The network is accessible, with a node, plugins and an invitation, ${width} px, ${scheme}`, async () => {
    const { page, close } = await open({ width, scheme }, { isOwner: true });
    const look = async (/** @type {string} */ name) => {
      await assertAccessible(page);
      await assertNoOverflow(page);
      await screenshot(page, `network-${name}-${width}-${scheme}`);
    };
    await page.getByRole("button", { name: "z7cgt6n7xp" }).click();
    await page.getByTestId("words").locator("li").nth(11).waitFor();
    await page.getByText("QR code of the key").click();
    await look("node");
    await page.getByRole("tab", { name: "Plugins" }).click();
    await look("plugins");
    await page.getByRole("tab", { name: "Invite" }).click();
    await page.getByTestId("invite").click();
    await page.getByTestId("ticket").waitFor();
    await look("invite");
    await close();
  });
}

test("Picture and table say the same of links: transport, encryption, latency", async () => {
  const { page, close } = await open();
  assert.match(await page.getByRole("img").getAttribute("aria-label") ?? "", /6 nodes and 4 links/);
  assert.deepEqual(await page.locator(".nodes tbody tr").evaluateAll(rows => rows.map(row => [...row.children].slice(1).map(cell => cell.textContent))), [
    ["online", "ws, encrypted", "0.7 ms", "–"], ["online", "ws, encrypted", "0.7 ms", "Unverified"], ["connected", "tcp, encrypted", "12 ms", "Unverified"], ["connected", "ws, NOT encrypted", "3.2 ms", "Unverified"],
    ["online", "over others, encrypted", "31 ms", "Unverified"], ["gone", "–", "–", "Unverified"],
  ]);
  assert.deepEqual(await page.locator(".graph-label").allTextContents(), ["ws · 0.7 ms", "tcp · 12 ms", "ws · 3.2 ms", "31 ms"]);
  assert.equal(await page.locator(".graph-link[data-encryption=clear]").count(), 1);
  assert.ok(await page.getByText("hybrid").first().isVisible());
  assert.ok(await page.getByText("command 'no-such-program' was not found").isVisible());
  await close();
});

test("What changes is shown as the home node tells it, and the focus stays where it was", async () => {
  const { page, ids, close } = await open();
  const button = page.locator(`[data-node="${ids[2]}"]`);
  await button.focus();
  await page.evaluate(() => {
    const { facts, agent } = /** @type {any} */ (window);
    facts.links.links[1].rttMs = 77;
    agent.notify("notifications/resources/updated", { uri: "dawn://node/links" });
  });
  await page.getByRole("cell", { name: "77 ms" }).waitFor();
  assert.ok(await button.evaluate(element => document.activeElement === element));
  await page.evaluate(() => {
    const { node } = /** @type {any} */ (window);
    node.status = { ...node.status, state: "offline" };
    node.dispatchEvent(new Event("status"));
  });
  await page.waitForSelector("dawn-network[data-status=offline]");
  assert.ok(await page.getByText("This page is not connected").isVisible());
  await close();
});

test("Keys are compared by words that both ends make alike; the three states have names, reasons and one action", async () => {
  const { page, ids, close } = await open();
  const status = (/** @type {string} */ wanted) => page.waitForSelector(`[data-testid=trust][data-status=${wanted}]`);
  await page.locator(`[data-node="${ids[2]}"]`).focus();
  await page.keyboard.press("Enter");
  await status("unverified");
  await page.getByTestId("words").locator("li").nth(11).waitFor();
  assert.deepEqual(await page.getByTestId("words").locator("li").allTextContents(), await wordsOfText(ids[2]));
  assert.equal((await page.locator(".key-groups").textContent() ?? "").replaceAll(" ", ""), ids[2]);
  await page.getByLabel("Your name for it").fill("Anna");
  await page.getByTestId("verify").click();
  await status("verified");
  assert.ok(await page.getByRole("button", { name: "Anna" }).isVisible());
  assert.equal((await page.evaluate(() => /** @type {any} */ (window).store.get("compared-keys")))[0].node, ids[2]);

  // Another node takes its place, at the same address.
  await page.evaluate(([, , anna, bert]) => {
    const { node, facts, agent } = /** @type {any} */ (window);
    node.entries = node.entries.filter((/** @type {any} */ one) => one.node !== anna).map((/** @type {any} */ one) => one.node === bert ? { ...one, addresses: ["ws://192.0.2.6:7610"] } : one);
    facts.links.links = facts.links.links.filter((/** @type {any} */ one) => one.node !== anna);
    facts.peers.peers = facts.peers.peers.filter((/** @type {any} */ one) => one.node !== anna);
    facts.routes.routes = [];
    for (const name of ["links", "peers", "routes"]) {
      agent.notify("notifications/resources/updated", { uri: `dawn://node/${name}` });
    }
    node.dispatchEvent(new Event("agents"));
  }, ids);
  await page.locator(".trust-mark[data-status=changed]").waitFor();
  await page.locator(`[data-node="${ids[3]}"]`).click();
  await status("changed");
  assert.match(await page.getByTestId("trust").textContent() ?? "", /another key, Anna/);
  await assertAccessible(page);
  await page.getByTestId("verify").click();
  await status("verified");
  await page.getByRole("button", { name: "Forget this" }).click();
  await status("unverified");
  await close();
});

test("This page's own key is there to be compared, and agents are opened from their node", async () => {
  const { page, ids, close } = await open();
  await page.locator(`[data-node="${ids[0]}"]`).click();
  assert.equal(await page.getByTestId("trust").count(), 0);
  assert.ok(await page.getByText("This is your browser's key.").isVisible());
  await page.locator(`[data-node="${ids[1]}"]`).click();
  await page.getByRole("button", { name: "First steps" }).click();
  assert.deepEqual(await page.evaluate(() => /** @type {any} */ (window).opened), [`${ids[1]}:first`]);
  await page.getByRole("button", { name: "Trace the way there" }).click();
  assert.equal(await page.getByRole("table", { name: /Hops/ }).getByRole("row").count(), 3);
  await close();
});

test("Plugins are told with their state, and what is wrong with those that failed", async () => {
  const { page, close } = await open();
  await page.getByRole("tab", { name: "Plugins" }).click();
  assert.deepEqual(await page.locator("dawn-network [role=tabpanel] tbody tr[data-status]").filter({ visible: true }).evaluateAll(rows => rows.map(row => [...row.children].map(cell => cell.textContent))), [
    ["transport-websocket", "transport", "active", "0.1.0"], ["agents/empty", "agent", "failedThere is no plugin DLL in the folder.", "–"],
  ]);
  await close();
});

test("What this page may not call says so, and how it is done instead", async () => {
  const { page, close } = await open();
  await page.getByRole("tab", { name: "Invite" }).click();
  assert.match(await page.getByTestId("not-allowed").textContent() ?? "", /Only the owner.*dawn invite/s);
  await assertAccessible(page);
  await close();
});

test("An invitation is a ticket as text and as a QR code", async () => {
  const { page, close } = await open({}, { isOwner: true });
  await page.getByRole("tab", { name: "Invite" }).click();
  await page.getByLabel("How many may use it").fill("2000");
  await page.getByTestId("invite").click();
  assert.equal(await page.locator(".field-error:not([hidden])").textContent(), "At most 1000.");
  await page.getByLabel("How many may use it").fill("2");
  await page.getByTestId("invite").click();
  await page.getByTestId("ticket").waitFor();
  assert.ok(await page.getByRole("img", { name: "QR code of the ticket" }).isVisible());
  assert.deepEqual(await page.evaluate(() => /** @type {any} */ (window).agent.log.at(-1).params.arguments), { role: "guest", uses: 2, expiresSeconds: 600 });
  await close();
});

test("Of many nodes the nearest are drawn and all are in the table", async () => {
  const { page, close } = await open({ reducedMotion: false }, { many: 300 });
  await page.locator(".nodes tbody tr").nth(305).waitFor();
  assert.equal(await page.locator(".graph-node").count(), 120);
  assert.ok(await page.getByText("The 120 nearest of 306 nodes").isVisible());
  await close();
});

for (const [lang, options] of /** @type {const} */ ([["ar", { width: 1280 }], ["ar", { width: 360, scheme: "dark" }], ["ja", { width: 320, height: 256 }], ["de", { width: 360, forcedColors: true }]])) {
  test(`Other languages and directions fit, by ${lang} at ${options.width} px${"forcedColors" in options ? ", forced colours" : ""}`, async () => {
    const { page, ids, close } = await open(options, { isOwner: true }, lang);
    await page.locator(`[data-node="${ids[2]}"]`).click();
    await page.getByTestId("words").locator("li").nth(11).waitFor();
    await assertAccessible(page);
    await assertNoOverflow(page);
    await screenshot(page, `network-${lang}-${options.width}`);
    await page.locator("[data-tab=invite]").click();
    await page.getByTestId("invite").click();
    await page.getByTestId("ticket").waitFor();
    await assertNoOverflow(page);
    await close();
  });
}
