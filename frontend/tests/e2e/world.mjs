// What all end-to-end tests share: three nodes in a line, an agent at the far end, and one browser.
//
//   page ── home ── relay ── far: "desk"
//
// Home and far listen nowhere: all that they say to each other goes through the relay, which is their hub.
import { fileURLToPath } from "node:url";
import { launch, openPage } from "../chromium.mjs";
import { DawnNode, dataDirectory, eventually } from "./nodes.mjs";

/** @typedef {import("playwright-core").Page} Page */

const desk = fileURLToPath(new URL("desk.mjs", import.meta.url));

/** An agent of desk.mjs. @param {string} id @param {string} title */
export const deskAs = (id, title) => ({ [`McpServers:${id}:Command`]: process.execPath, [`McpServers:${id}:Args:0`]: desk, [`McpServers:${id}:Share`]: "members", [`McpServers:${id}:Title`]: title });

const homeData = dataDirectory("home");

/** @type {{ relay: DawnNode, home: DawnNode, far: DawnNode, browser: import("playwright-core").Browser }} */
export const world = /** @type {any} */ ({});

/** @param {string} [url] The gateway's, where it is the second start. */
const startHome = (url = "http://127.0.0.1:0") => DawnNode.start({ Mode: "hybrid", "Hubs:0": world.relay.at, "Gateway:Url": url, "Gateway:TestHooks": true, "Plugins:first:Enabled": true }, homeData);

export async function begin() {
  const browser = launch();
  world.relay = await DawnNode.start({ Mode: "centralized", "Listen:0": "ws://127.0.0.1:0", "Gateway:Url": "http://127.0.0.1:0" });
  [world.home, world.far, world.browser] = await Promise.all([
    startHome(),
    DawnNode.start({ Mode: "hybrid", "Hubs:0": world.relay.at, "Gateway:Url": "http://127.0.0.1:0", "Plugins:text:Enabled": true, ...deskAs("desk", "Front desk") }),
    browser,
  ]);
  await eventually("home knows the desk", async () => (await world.home.call("node", "agents")).agents.some((/** @type {any} */ one) => one.agent === "desk" && one.online && one.tools.includes("chat")));
}

export async function end() {
  await world.browser?.close();
  await Promise.all([world.home, world.far, world.relay].map(node => node?.stop()));
}

/** Starts the home node again where it was. */
export async function restartHome() {
  world.home = await startHome(world.home.origin);
}

/** The page's address with a fresh ticket. @param {DawnNode} [node] @returns {Promise<string>} */
export const freshAddress = async (node = world.home) => (await node.call("node", "ui")).ui;

/** Lets the desk go on, and tells what happened there. @param {{ steps?: number, change?: boolean, more?: boolean }} [what] @returns {Promise<{ said: string[], cancelled: string[], waiting: number }>} */
export const steer = what => world.far.call("desk", "steer", what);

/** A page that is in the network, with its agents. @param {import("../chromium.mjs").PageOptions & { url?: string }} [options] */
export async function enter({ url, ...options } = {}) {
  const opened = await openPage(world.browser, url ?? await freshAddress(), options);
  await opened.page.locator("[data-testid=network][data-status=online]").waitFor();
  await opened.page.locator(".agent[data-status=online]", { hasText: "Front desk" }).waitFor({ state: "attached" });
  return opened;
}
