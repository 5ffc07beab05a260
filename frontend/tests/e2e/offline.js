// What becomes of a page when its node goes and comes back. The last part: a node that was started anew has forgotten who is gone.
import assert from "node:assert/strict";
import { test } from "node:test";
import { last, openAgent, say } from "../browser/chat.mjs";
import { stands } from "./chat.js";
import { enter, restartHome, steer, world } from "./world.mjs";

/** How often something was said at the desk. @param {string} text */
const timesSaid = async text => (await steer()).said.filter(one => one === text).length;

test("What is written without a connection waits, survives a reload of the page that no node serves, and is delivered once", async () => {
  const opened = await enter({ expected: [/ERR_CONNECTION_REFUSED|ERR_CONNECTION_RESET|WebSocket connection|Failed to load resource/] });
  const { page } = opened;
  await openAgent(page, "Front desk");
  await say(page, "echo before");
  await last(page, "agent").getByText("before").waitFor();
  await page.waitForFunction(() => navigator.serviceWorker.controller !== null);
  await page.evaluate(() => navigator.serviceWorker.ready.then(() => 0));
  await world.home.stop();
  await page.locator("[data-testid=network][data-status=offline], [data-testid=network][data-status=connecting]").waitFor();
  await page.getByText("Not connected.").waitFor();
  assert.equal(await page.getByTestId("encryption").getAttribute("data-status"), "unknown");
  await say(page, "echo first while away");
  await stands(page, "me", "sending");
  await page.reload();
  await page.getByTestId("agents").locator(".agent[data-status=offline]", { hasText: "Front desk" }).waitFor();
  await openAgent(page, "Front desk");
  await last(page, "me").getByText("first while away").waitFor();
  await stands(page, "me", "sending");
  await say(page, "echo second while away");
  await stands(page, "me", "sending");
  await restartHome();
  await page.getByRole("button", { name: "Try now" }).click();
  await page.locator("[data-testid=network][data-status=online]").waitFor();
  await page.locator("article[data-from=agent][data-status=done]").nth(2).waitFor();
  assert.deepEqual([await timesSaid("echo first while away"), await timesSaid("echo second while away")], [1, 1]);
  assert.deepEqual(await page.locator("article[data-from=me]").evaluateAll(all => all.map(one => /** @type {any} */ (one).dataset.status)), ["received", "received", "received"]);
  await page.reload();
  await openAgent(page, "Front desk");
  await last(page, "agent").getByText("while away").waitFor();
  assert.deepEqual([await timesSaid("echo first while away"), await timesSaid("echo second while away")], [1, 1]);
  await opened.close();
});
