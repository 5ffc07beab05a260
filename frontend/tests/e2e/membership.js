// A browser becomes a node: by a ticket, once, with a key that never leaves it; and its sessions end in it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { last, openAgent, say } from "../browser/chat.mjs";
import { openPage } from "../chromium.mjs";
import { eventually } from "./nodes.mjs";
import { enter, freshAddress, world } from "./world.mjs";

/** @typedef {import("./world.mjs").Page} Page */

/** What the browser keeps of its identity, and what of the key can be had. @param {Page} page */
const identity = page => page.evaluate(async () => {
  const kept = await new Promise((resolve, reject) => {
    const opening = indexedDB.open("dawn");
    opening.onerror = () => reject(opening.error);
    opening.onsuccess = () => {
      const reading = opening.result.transaction("node").objectStore("node").get("identity");
      reading.onsuccess = () => resolve(reading.result);
    };
  });
  const exports = await Promise.all(["pkcs8", "jwk", "raw"].map(format => crypto.subtle.exportKey(/** @type {any} */ (format), kept.key).then(() => `${format} works`, error => error.name)));
  return { isKey: kept.key instanceof CryptoKey, type: kept.key.type, extractable: kept.key.extractable, algorithm: kept.key.algorithm.name, usages: kept.key.usages, exports };
});

/** The NodeId that the page shows of itself. @param {Page} page */
export async function ownId(page) {
  await page.getByRole("button", { name: "Help" }).click();
  const id = await page.getByTestId("help").locator("section").last().locator("code").textContent() ?? "";
  await page.keyboard.press("Escape");
  return id;
}

test("The address that the node prints lets a browser in, which is a node then, with a key that nobody can read", async () => {
  // By another name of this machine: all names lead to one origin, and the ticket comes along.
  const opened = await enter({ url: world.home.ui.replace("127.0.0.1", "localhost") });
  const { page } = opened;
  assert.equal(page.url(), `${world.home.origin}/`, "the ticket stays neither in the address bar nor in the history");
  assert.deepEqual(await identity(page), { isKey: true, type: "private", extractable: false, algorithm: "Ed25519", usages: ["sign"], exports: ["InvalidAccessError", "InvalidAccessError", "InvalidAccessError"] });
  const id = await ownId(page);
  assert.match(id, /^[a-z2-7]{52}$/);
  await eventually("home logs whom it let in", async () => world.home.log.includes("is now a Browser of the network"));
  // The network knows it by its own record, at the far end too.
  await eventually("the far node knows the page", async () => (await world.far.call("node", "peers")).peers.some((/** @type {any} */ one) => one.node === id));

  await page.reload();
  await page.locator("[data-testid=network][data-status=online]").waitFor();
  assert.equal(await ownId(page), id, "it comes again without a ticket, and as the same");
  await opened.close();
});

test("A session ends in the browser and at the agent's node; the nodes between pass on what they can't read", async () => {
  const opened = await enter();
  const { page } = opened;
  const id = await ownId(page);
  const before = await world.home.metric("dawn_relay_bytes_total");
  await openAgent(page, "Front desk");
  await say(page, `echo ${"a secret ".repeat(2_000)}`);
  await last(page, "agent").getByText("a secret").waitFor();
  const at = async (/** @type {import("./nodes.mjs").DawnNode} */ node) => (await node.call("node", "sessions")).sessions.filter((/** @type {any} */ one) => [id, world.far.id].includes(one.node));
  const [farEnd] = await at(world.far);
  assert.deepEqual([farEnd.node, farEnd.direction, farEnd.encryption], [id, "in", "sealed"]);
  // The page talks with home, too: with its agent `node`. With the far node home has no session at all.
  assert.ok((await at(world.home)).every((/** @type {any} */ one) => one.node === id));
  await eventually("both ways went through home", async () => await world.home.metric("dawn_relay_bytes_total") - before > 2 * 18_000);
  // Home has no link to the far node either: there is one more between.
  const { links } = await world.home.call("node", "links");
  assert.ok(!links.some((/** @type {any} */ one) => one.node === world.far.id) && links.some((/** @type {any} */ one) => one.node === world.relay.id));
  await opened.close();
});

test("A ticket that was used lets nobody else in, and the page says what to do; pasting a fresh one does it", async () => {
  const opened = await openPage(world.browser, world.home.ui);
  const { page } = opened;
  await page.getByTestId("ticket-page").getByText("This ticket has been used already. Ask for a new one.").waitFor();
  assert.equal(page.url(), `${world.home.origin}/`);
  await page.getByText("dawn ui", { exact: true }).waitFor();
  await page.getByTestId("ticket").fill(world.home.ui);
  await page.getByRole("button", { name: "Join" }).click();
  await page.getByRole("alert").filter({ hasText: "This ticket has been used already." }).waitFor();
  await page.getByTestId("ticket").fill(await world.home.cli("ui"));
  await page.keyboard.press("Enter");
  await page.locator("[data-testid=network][data-status=online]").waitFor();
  await opened.close();
});

test("Without a ticket, with half of one, with an old one, and with one for a machine: each is told apart", async () => {
  const whole = new URL(await freshAddress()).hash;
  const member = (await world.relay.call("node", "invite", { role: "member" })).ticket;
  for (const [hash, words] of /** @type {const} */ ([["", /^$/], [whole.slice(0, 80), /not a whole ticket/], ["#nonsense", /^$/], [`#${member}`, /refused this ticket/]])) {
    const opened = await openPage(world.browser, `${world.home.origin}/${hash}`);
    await opened.page.getByTestId("ticket-page").getByText("This browser is not in the network yet").waitFor();
    assert.match(await opened.page.getByRole("alert").textContent() ?? "", words);
    assert.equal(await opened.page.evaluate(() => location.hash), "");
    await opened.close();
  }
  // An hour later by the browser's clock.
  const late = await openPage(world.browser, "about:blank");
  await late.page.clock.setSystemTime(Date.now() + 3_600_000);
  await late.page.goto(`${world.home.origin}/${whole}`);
  await late.page.getByText("This ticket has expired. Ask for a new one.").waitFor();
  await late.close();
});

test("Of two tabs one is connected; the other says so, and can take over", async () => {
  const opened = await enter();
  const second = await opened.context.newPage();
  await second.goto(world.home.origin);
  await second.locator("[data-testid=network][data-status=elsewhere]").waitFor();
  await second.getByText("Dawn is open in another tab of this browser").waitFor();
  await second.getByRole("button", { name: "Use it here" }).click();
  await second.locator("[data-testid=network][data-status=online]").waitFor();
  await opened.page.locator("[data-testid=network][data-status=elsewhere]").waitFor();
  await second.close();
  await opened.page.locator("[data-testid=network][data-status=online]").waitFor();
  await opened.close();
});
