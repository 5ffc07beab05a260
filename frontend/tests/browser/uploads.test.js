// Large files from the page to an agent of a real node, over a line that is cut, slow or gone: what the other end has is not sent again, and what it never had whole was never done.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdtemp, open, rm, writeFile } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { DawnNode, dataDirectory, program } from "../e2e/nodes.mjs";
import { last, openAgent, say } from "./chat.mjs";
import { launch } from "./harness.mjs";

const skip = existsSync(program) ? false : `${program} is not built.`;
const patience = 60_000;
const largest = 50_000_000;
// As JSON with base64 it is a third longer.
const onTheWay = largest / 3 * 4;

// An MCP server over stdio with the one tool `chat`: says how often it was called, and what the files of this call are.
const agent = `
import { createHash } from "node:crypto";
import { createInterface } from "node:readline";
let calls = 0;
const tool = { name: "chat", description: "Takes files.", inputSchema: { type: "object", properties: { message: { type: "string" }, attachments: { type: "array" } }, required: ["message"] } };
createInterface({ input: process.stdin }).on("line", line => {
  const { id, method, params } = JSON.parse(line);
  const result = {
    initialize: () => ({ protocolVersion: params.protocolVersion, capabilities: { tools: {} }, serverInfo: { name: "files", title: "Files", version: "1" } }),
    "tools/list": () => ({ tools: [tool] }),
    "tools/call": () => {
      calls++;
      const files = (params.arguments.attachments ?? []).map(one => Buffer.from(one.resource.blob, "base64")).map(bytes => bytes.length + " " + createHash("sha256").update(bytes).digest("hex"));
      return { content: [{ type: "text", text: ["call " + calls, ...files].join(" ") }] };
    },
  }[method]?.();
  if (id !== undefined) {
    process.stdout.write(JSON.stringify(result === undefined ? { jsonrpc: "2.0", id, error: { code: -32601, message: "no" } } : { jsonrpc: "2.0", id, result }) + "\\n");
  }
});
`;

/** A line between the page and its node, which counts what leaves the page. @param {number} port */
async function startLine(port) {
  /** @type {Set<import("node:net").Socket>} */
  const sockets = new Set();
  const line = { port: 0, sent: 0, isCut: false, /** Called with each piece. */ onSent: () => {}, cut, mend, pause, resume, close };
  function cut() {
    line.isCut = true;
    sockets.forEach(socket => socket.destroy());
  }
  function mend() {
    line.isCut = false;
  }
  let isPaused = false;
  function pause() {
    isPaused = true;
    sockets.forEach(socket => socket.pause());
  }
  function resume() {
    isPaused = false;
    sockets.forEach(socket => socket.resume());
  }
  const server = createServer(near => {
    if (line.isCut) {
      near.destroy();
      return;
    }
    const far = connect(port, "127.0.0.1");
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on("error", () => {}); // it was cut
      socket.on("close", () => {
        sockets.delete(socket);
        near.destroy();
        far.destroy();
      });
    }
    near.on("data", data => {
      line.sent += data.length;
      if (!far.write(data) && !isPaused) {
        near.pause();
      }
      line.onSent();
    });
    far.on("drain", () => isPaused || near.resume());
    far.on("data", data => near.write(data));
  });
  function close() {
    cut();
    return new Promise(resolve => server.close(() => resolve(undefined)));
  }
  await new Promise(resolve => server.listen(0, "127.0.0.1", () => resolve(undefined)));
  line.port = /** @type {import("node:net").AddressInfo} */ (server.address()).port;
  return line;
}

/** @type {string} */ let folder;
/** @type {DawnNode} */ let node;
/** @type {import("playwright-core").Browser} */ let browser;

before(async () => {
  if (skip !== false) {
    return;
  }
  folder = await mkdtemp(join(tmpdir(), "dawn-uploads-"));
  await writeFile(join(folder, "agent.mjs"), agent);
  node = await startNode(0);
  browser = await launch();
});

after(async () => {
  if (skip !== false) {
    return;
  }
  await browser?.close();
  await node?.stop();
  await rm(folder, { recursive: true, force: true });
});

/** A node with that agent. @param {number} port Of its gateway. @param {string} [data] */
const startNode = (port, data = dataDirectory("uploads")) => DawnNode.start({
  "Gateway:Url": `http://127.0.0.1:${port}`,
  "McpServers:files:Command": process.execPath, "McpServers:files:Args:0": join(folder, "agent.mjs"), "McpServers:files:Title": "Files", "McpServers:files:Share": "members",
}, data);

const gateway = () => Number(new URL(node.origin).port);

/** The page over a line of its own, at the agent that takes files. */
async function openPage() {
  const line = await startLine(gateway());
  const context = await browser.newContext({ reducedMotion: "reduce" });
  const page = await context.newPage();
  await page.goto(`http://127.0.0.1:${line.port}/${new URL(await node.cli("ui")).hash}`);
  await openAgent(page, "Files");
  // How far it is, as the page shows it.
  await page.evaluate(() => {
    const shown = /** @type {number[]} */ (/** @type {any} */ (globalThis).shown = []);
    new MutationObserver(() => {
      const bar = document.querySelector("[data-testid=upload] progress");
      if (bar !== null) {
        shown.push(/** @type {HTMLProgressElement} */ (bar).value);
      }
    }).observe(document.body, { subtree: true, childList: true, attributes: true, attributeFilter: ["value"] });
  });
  const close = async () => {
    await context.close();
    await line.close();
  };
  return { page, line, close, shown: () => page.evaluate(() => /** @type {number[]} */ (/** @type {any} */ (globalThis).shown)) };
}

/** A file of bytes that don't repeat, and its hash. @param {string} name @param {number} size */
async function makeFile(name, size) {
  const path = join(folder, name);
  const hash = createHash("sha256");
  const file = await open(path, "w");
  for (let at = 0, state = 1; at < size;) {
    const piece = Buffer.alloc(Math.min(1 << 20, size - at));
    for (let i = 0; i + 4 <= piece.length; i += 4) {
      state = Math.imul(state, 1_664_525) + 1_013_904_223 | 0;
      piece.writeInt32LE(state, i);
    }
    hash.update(piece);
    await file.write(piece);
    at += piece.length;
  }
  await file.close();
  return { path, hash: hash.digest("hex") };
}

/** Does something once so much has left the page. @param {Awaited<ReturnType<typeof startLine>>} line @param {number} bytes @param {() => void} act */
const onceSent = (line, bytes, act) => new Promise(resolve => {
  line.onSent = () => {
    if (line.sent >= bytes) {
      line.onSent = () => {};
      act();
      resolve(undefined);
    }
  };
});

/** How often the agent was called, this call included. @param {import("playwright-core").Page} page */
async function calls(page) {
  const before = await page.locator("article[data-from=agent]").count();
  await say(page, "How often?");
  const reply = page.locator("article[data-from=agent][data-status=done]").nth(before);
  await reply.waitFor({ timeout: patience });
  return Number(/call (\d+)/.exec(await reply.innerText())?.[1]);
}

test("a file of 50 MB goes on where it was after its link was cut", { skip, timeout: 240_000 }, async () => {
  const { path, hash } = await makeFile("large.bin", largest);
  const { page, line, close, shown } = await openPage();
  await page.locator(".composer input[type=file]").setInputFiles(path);
  await page.locator(".previews li", { hasText: "large.bin" }).waitFor();
  const cut = onceSent(line, onTheWay / 2, line.cut);
  await say(page, "Keep this.");
  await cut;
  await page.locator("[data-testid=network]:not([data-status=online])").waitFor({ timeout: patience });
  assert.equal(await last(page, "me").getAttribute("data-status"), "sending", "what has not left whole is not sent");
  const atCut = (await shown()).length;
  assert.ok(atCut > 20, `${atCut} steps are shown`);
  line.mend();
  const reply = page.locator("article[data-from=agent][data-status=done]").last();
  await reply.waitFor({ timeout: 120_000 });
  assert.match(await reply.innerText(), new RegExp(`call 1 ${largest} ${hash}`));
  assert.equal(await last(page, "me").getAttribute("data-status"), "received");

  // What was under way when it was cut goes twice: 4 MiB at most in a session, and what the queues below it hold.
  assert.ok(line.sent > onTheWay && line.sent < onTheWay * 1.15, `${line.sent} bytes left the page for a message of ${onTheWay}`);
  const all = await shown();
  assert.ok(all[atCut - 1] > 0.3 && all[atCut - 1] <= 0.55, `${all[atCut - 1]} is shown where half had left`);
  assert.deepEqual(all, all.toSorted((a, b) => a - b), "it never goes back");
  assert.ok(all[all.length - 1] > 0.95, `${all[all.length - 1]} is the last that is shown`);
  assert.equal(await page.getByTestId("upload").count(), 0);
  assert.equal(await calls(page), 2, "it was done once");
  await close();
});

test("what is too large is refused before it is read, and the limit is named", { skip, timeout: 60_000 }, async () => {
  const path = join(folder, "too-large.bin");
  const file = await open(path, "w");
  await file.truncate(largest + 1);
  await file.close();
  const { page, close } = await openPage();
  await page.evaluate(() => {
    const read = /** @type {string[]} */ (/** @type {any} */ (globalThis).read = []);
    for (const name of /** @type {const} */ (["arrayBuffer", "text", "stream", "slice"])) {
      /** @type {any} */ (Blob.prototype)[name] = () => { throw read.push(name); };
    }
    FileReader.prototype.readAsDataURL = () => { throw read.push("readAsDataURL"); };
  });
  await page.locator(".composer input[type=file]").setInputFiles(path);
  await last(page, "note").getByText("'too-large.bin' is too large: the files of a message may have 47.7 MB together (Dawn:Gateway:FileSize).").waitFor();
  assert.equal(await page.locator(".previews li").count(), 0);
  assert.deepEqual(await page.evaluate(() => /** @type {any} */ (globalThis).read), []);
  await close();
});

test("what is cancelled half sent was never done, and nothing waits behind it", { skip, timeout: 120_000 }, async () => {
  const { path } = await makeFile("cancelled.bin", 20_000_000);
  const { page, line, close } = await openPage();
  const before = await calls(page);
  await page.locator(".composer input[type=file]").setInputFiles(path);
  const half = onceSent(line, 8_000_000, line.pause);
  await say(page, "Keep this.");
  await half;
  const sent = last(page, "me");
  await sent.getByTestId("upload").waitFor();
  await sent.getByTestId("cancel").click();
  await page.locator("article[data-from=me][data-status=cancelled]").waitFor();
  line.resume();
  assert.equal(await calls(page), before + 1);
  assert.ok(line.sent < 20_000_000, `${line.sent} bytes left the page`);
  await close();
});

test("a reload while a file is on its way sends it once", { skip, timeout: 120_000 }, async () => {
  const { path, hash } = await makeFile("reloaded.bin", 10_000_000);
  const { page, line, close } = await openPage();
  const before = await calls(page);
  await page.locator(".composer input[type=file]").setInputFiles(path);
  const half = onceSent(line, 6_000_000, line.cut);
  await say(page, "Keep this.");
  await half;
  line.mend();
  await page.reload();
  await openAgent(page, "Files");
  const reply = page.locator("article[data-from=agent][data-status=done]", { hasText: hash });
  await reply.waitFor({ timeout: patience });
  assert.match(await reply.innerText(), new RegExp(`call ${before + 1} 10000000`));
  assert.equal(await calls(page), before + 2);
  await close();
});

test("a node that is killed while a file is on its way gets it anew, once", { skip, timeout: 120_000 }, async () => {
  const { path, hash } = await makeFile("anew.bin", 10_000_000);
  const { page, line, close } = await openPage();
  await page.locator(".composer input[type=file]").setInputFiles(path);
  const half = onceSent(line, 6_000_000, line.cut);
  await say(page, "Keep this.");
  await half;
  const port = gateway();
  await node.stop("SIGKILL");
  node = await startNode(port, node.data);
  line.mend();
  const reply = page.locator("article[data-from=agent][data-status=done]", { hasText: hash });
  await reply.waitFor({ timeout: patience });
  // Its agent was started with it.
  assert.match(await reply.innerText(), /call 1 10000000/);
  assert.equal(await calls(page), 2);
  await close();
});
