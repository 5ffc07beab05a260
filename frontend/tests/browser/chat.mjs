// The page over a node that is none: what its tests share.
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { policy, start } from "./harness.mjs";

const file = (/** @type {string} */ path) => readFile(fileURLToPath(new URL(path, import.meta.url)), "utf8");

/** Starts a server and a browser for the page. */
export async function startChat() {
  const [fake, html] = await Promise.all([file("fake-node.js"), file("../../index.html")]);
  let hooks = true;
  const app = await start({
    routes: {
      "/services/node.js": (_, response) => response.writeHead(200, { "content-type": "text/javascript" }).end(fake),
      "/shell.json": (_, response) => response.writeHead(200, { "content-type": "application/json" }).end("[\"./\"]"),
      "/": (_, response) => response.writeHead(200, { "content-type": "text/html; charset=utf-8", "content-security-policy": policy }).end(html.replace("<!--dawn:head-->", hooks ? '<meta name="dawn-test-hooks" content="true">' : "")),
    },
  });
  return { ...app, withoutHooks: () => { hooks = false; } };
}

/** @param {import("playwright-core").Page} page @param {string} title */
export async function openAgent(page, title) {
  await page.getByTestId("agents").locator(".agent", { hasText: title }).first().click();
  await page.locator(".chat-title h1", { hasText: title }).waitFor();
}

/** @param {import("playwright-core").Page} page @param {string} text */
export async function say(page, text) {
  await page.getByTestId("composer").fill(text);
  await page.getByTestId("send").click();
}

/** The newest message of someone. @param {import("playwright-core").Page} page @param {"me" | "agent" | "note"} from */
export const last = (page, from) => page.getByTestId("messages").locator(`article[data-from=${from}]`).last();
