// The network as a page shows it: picture, nodes, keys that people compare, plugins, invitations, and who is there.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import jsqr from "jsqr";
import { fromBase32 } from "../../services/bytes.js";
import { openPage } from "../chromium.mjs";
import { wordList } from "../../components/network/wordList.js";
import { ownId } from "./membership.js";
import { DawnNode, dataDirectory, eventually } from "./nodes.mjs";
import { deskAs, enter, freshAddress, world } from "./world.mjs";

/** @typedef {import("playwright-core").Page} Page */

/** @param {Page} page */
async function openNetwork(page) {
  await page.getByTestId("network").click();
  const sheet = page.getByTestId("network-sheet");
  await sheet.locator("dawn-network[data-status=online]").waitFor();
  return sheet;
}

/** What a camera reads. @param {import("playwright-core").Locator} code */
async function read(code) {
  const [size, path] = await code.evaluate(element => [Number(element.getAttribute("viewBox")?.split(" ")[2]), element.querySelector("path")?.getAttribute("d") ?? ""]);
  const scale = 4;
  const side = size * scale;
  const pixels = new Uint8ClampedArray(4 * side * side).fill(255);
  for (const [, x, y] of path.matchAll(/M(\d+) (\d+)h1v1h-1z/g)) {
    for (let at = 0; at < scale * scale; at++) {
      pixels.fill(0, 4 * ((Number(y) * scale + Math.floor(at / scale)) * side + Number(x) * scale + at % scale), 4 * ((Number(y) * scale + Math.floor(at / scale)) * side + Number(x) * scale + at % scale) + 3);
    }
  }
  return /** @type {any} */ (jsqr)(pixels, side, side)?.data;
}

/** The words of a key, reckoned from what they are said to be. @param {string} id */
const wordsOf = id => [...createHash("sha256").update("dawn node words 1").update(/** @type {Uint8Array} */ (fromBase32(id))).digest().subarray(0, 12)].map(byte => wordList[byte]);

test("The picture and the table show all nodes, their links, modes, encryption and latencies, as they are now", async () => {
  const opened = await enter();
  const { page } = opened;
  await page.locator(".agent", { hasText: "Front desk" }).click();
  await page.locator("[data-testid=tools][data-status=ready]").waitFor();
  const sheet = await openNetwork(page);
  const { home, relay, far } = world;
  const row = (/** @type {string} */ id) => sheet.locator("tr", { has: page.locator(`[data-node="${id}"]`) });
  await row(relay.id).getByText("connected").waitFor();
  assert.match(await row(home.id).textContent() ?? "", /home node.*online.*ws, encrypted.*ms.*Unverified/);
  assert.match(await row(relay.id).textContent() ?? "", /connected.*ws, encrypted.*ms.*Unverified/);
  // The far node is reached by what home passes on; how long that takes the page has measured itself.
  await row(far.id).getByText("over others, encrypted").waitFor();
  assert.match(await row(far.id).textContent() ?? "", /3 agents.*over others, encrypted.* ms/);
  // Browsers that were closed are no part of it.
  await page.waitForFunction(() => [...document.querySelectorAll(".graph-node")].map(one => one.getAttribute("data-kind")).sort().join() === "home,node,node,self");
  assert.deepEqual(await sheet.locator(".graph-link").evaluateAll(all => all.map(one => `${one.getAttribute("data-kind")} ${one.getAttribute("data-encryption")}`).sort()), ["link sealed", "link sealed", "route sealed"]);
  assert.ok((await sheet.locator(".graph-label").allTextContents()).filter(text => /^ws · \d+(\.\d)? ms$/.test(text)).length === 2);
  const facts = await sheet.locator(".network-facts").textContent() ?? "";
  assert.match(facts, /Networkorchard/);
  assert.match(facts, /Modehybrid/);
  assert.match(facts, /Encryptionalways/);

  // Another node joins, and is there at once; it leaves, and is gone.
  const guest = await DawnNode.start({ "Bootstrap:0": relay.at });
  await row(guest.id).waitFor();
  await sheet.locator(".graph-node").nth(4).waitFor();
  await guest.stop();
  await row(guest.id).and(page.locator("[data-status=dead]")).waitFor();

  await row(far.id).getByRole("button").click();
  const detail = sheet.getByTestId("node");
  await detail.getByRole("button", { name: "Trace the way there" }).click();
  const hops = detail.locator(".trace tbody tr");
  await hops.nth(1).waitFor();
  assert.deepEqual(await hops.evaluateAll(all => all.map(one => one.children[1].textContent)), [relay.id, far.id]);
  await sheet.getByRole("tab", { name: /Plugins/ }).click();
  for (const [name, status, words] of [["transport-websocket", "active", "active"], ["discovery-mdns", "disabled", "off"], ["agents/text", "disabled", "off"]]) {
    const plugin = sheet.locator(`tr[data-status=${status}]`, { has: page.getByRole("rowheader", { name, exact: true }) });
    await plugin.waitFor();
    assert.match(await plugin.textContent() ?? "", new RegExp(words));
  }
  await sheet.getByRole("tab", { name: /Nodes/ }).click();
  await detail.getByRole("button", { name: "Front desk" }).click();
  await page.locator(".chat-title h1", { hasText: "Front desk" }).waitFor();
  await sheet.waitFor({ state: "detached" });
  await opened.close();
});

test("Keys are compared by words, letters or a picture, and that they were is remembered", async () => {
  const opened = await enter();
  const { page } = opened;
  const { far } = world;
  let sheet = await openNetwork(page);
  await sheet.locator(`[data-node="${far.id}"]`).click();
  const detail = sheet.getByTestId("node");
  await detail.getByTestId("words").locator("li").nth(11).waitFor();
  assert.deepEqual(await detail.getByTestId("words").locator("li").allTextContents(), wordsOf(far.id));
  assert.equal((await detail.locator(".key-groups span").allTextContents()).join(""), far.id);
  assert.match(await far.cli("id"), new RegExp(far.id), "as the node itself prints it");
  await detail.getByText("QR code of the key").click();
  assert.equal(await read(detail.getByRole("img", { name: "QR code of the key" })), far.id);
  await detail.locator("[data-testid=trust][data-status=unverified]").waitFor();
  await detail.getByLabel("Your name for it").fill("Dora's cellar");
  await detail.getByTestId("verify").click();
  await detail.locator("[data-testid=trust][data-status=verified]").waitFor();
  await detail.getByText("You compared this key as Dora's cellar").waitFor();
  await page.reload();
  await page.locator("[data-testid=network][data-status=online]").waitFor();
  sheet = await openNetwork(page);
  await sheet.locator("tr", { hasText: "Dora's cellar" }).getByText("Verified", { exact: true }).waitFor();
  await sheet.locator(".graph-node[data-trust=verified]").waitFor();
  await sheet.getByRole("button", { name: "Dora's cellar" }).click();
  await detail.getByRole("button", { name: "Forget this" }).click();
  await detail.locator("[data-testid=trust][data-status=unverified]").waitFor();
  // What the person at the other end reads aloud is on their own page.
  await sheet.getByRole("button", { name: "This page" }).click();
  await detail.getByText("This is your browser's key.").waitFor();
  const words = await detail.getByTestId("words").locator("li").nth(11).waitFor().then(() => detail.getByTestId("words").locator("li").allTextContents());
  await sheet.getByRole("button", { name: "Close" }).click();
  assert.deepEqual(words, wordsOf(await ownId(page)));
  await opened.close();
});

test("A page that its home lists among the owners invites, by a ticket as text and as a picture; others are told how", async () => {
  // Whom nobody can dial invites nobody: at the relay, which listens.
  const home = world.relay;
  const opened = await enter({ url: await freshAddress(home) });
  const { page } = opened;
  const id = await ownId(page);
  const sheet = await openNetwork(page);
  const invite = sheet.getByRole("tab", { name: "Invite" });
  await invite.click();
  await sheet.getByTestId("not-allowed").getByText("Only the owner of the home node invites; this page may not.").waitFor();
  writeFileSync(join(home.data, "appsettings.json"), JSON.stringify({ Dawn: { Security: { Owners: [id] } } }));
  await home.call("node", "reload");
  await page.keyboard.press("Escape");
  await openNetwork(page);
  await invite.click();
  await sheet.getByLabel("For (required)", { exact: true }).selectOption({ label: "A browser" });
  await sheet.getByLabel("How many may use it").fill("2");
  await sheet.getByTestId("invite").click();
  const ticket = await sheet.locator(".ticket-text").first().textContent() ?? "";
  assert.match(ticket, /^dawn1[a-z2-7]+$/);
  assert.equal(await read(sheet.getByRole("img", { name: "QR code of the ticket" })), ticket);
  await sheet.getByText(/, 2 times\.$/).waitFor();
  for (let visit = 0; visit < 2; visit++) {
    const invited = await openPage(world.browser, `${home.origin}/#${ticket}`);
    await invited.page.locator("[data-testid=network][data-status=online]").waitFor();
    await invited.close();
  }
  const third = await openPage(world.browser, `${home.origin}/#${ticket}`);
  await third.page.getByTestId("ticket-page").waitFor();
  await third.close();
  writeFileSync(join(home.data, "appsettings.json"), "{}");
  await home.call("node", "reload");
  await sheet.getByTestId("invite").click();
  await sheet.getByText("is not listed as one").waitFor();
  await opened.close();
});

test("Who dies is seen as gone, by pages that were there and by those that come later; who comes back is there again", async () => {
  const data = dataDirectory("night");
  const settings = { "Bootstrap:0": world.relay.at, ...deskAs("night", "Night desk") };
  const night = await DawnNode.start(settings, data);
  const opened = await enter();
  const agent = (/** @type {Page} */ page, /** @type {string} */ status) => page.locator(`.agent[data-status=${status}]`, { hasText: "Night desk" }).waitFor();
  await agent(opened.page, "online");
  await night.stop("SIGKILL");
  await agent(opened.page, "offline");
  await eventually("home takes it for dead", async () => (await world.home.call("node", "peers")).peers.some((/** @type {any} */ one) => one.node === night.id && one.state === "dead"));
  const later = await enter();
  await agent(later.page, "offline");
  const again = await DawnNode.start(settings, data);
  await agent(opened.page, "online");
  await agent(later.page, "online");
  await Promise.all([again.stop(), opened.close(), later.close()]);
});
