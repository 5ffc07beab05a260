// The MCP client over a channel that the test plays.
import assert from "node:assert/strict";
import { test } from "node:test";
import { fromText, toText } from "../services/bytes.js";
import { DawnError } from "../services/errors.js";
import { McpClient, McpError } from "../services/mcp.js";
import { ManualRuntime, settle } from "./support.js";

/** @typedef {import("../services/bytes.js").Bytes} Bytes */

class FakeChannel {
  /** @type {any[]} */
  sent = [];
  /** @type {DawnError | null} */
  error = null;
  isClosed = false;
  /** @type {(Bytes | null)[]} */
  #incoming = [];
  /** @type {((message: Bytes | null) => void) | null} */
  #reader = null;

  /** @param {Bytes} message */
  async send(message) {
    this.sent.push(JSON.parse(toText(message)));
  }

  /** @returns {Promise<Bytes | null>} */
  async read() {
    return this.#incoming.length > 0 ? this.#incoming.shift() ?? null : new Promise(resolve => {
      this.#reader = resolve;
    });
  }

  close() {
    this.isClosed = true;
  }

  /** @param {unknown} message */
  async say(message) {
    const bytes = message === null ? null : fromText(typeof message === "string" ? message : JSON.stringify(message));
    const reader = this.#reader;
    this.#reader = null;
    reader === null ? this.#incoming.push(bytes) : reader(bytes);
    await settle();
  }
}

/** @param {import("../services/mcp.js").McpOptions} [options] */
async function connected(options) {
  const channel = new FakeChannel();
  const connecting = McpClient.connect(channel, options);
  await settle();
  assert.equal(channel.sent[0].method, "initialize");
  assert.equal(channel.sent[0].params.protocolVersion, "2025-11-25");
  await channel.say({ jsonrpc: "2.0", id: channel.sent[0].id, result: { protocolVersion: "2025-11-25", capabilities: {}, serverInfo: { name: "echo", version: "1" } } });
  const client = await connecting;
  assert.deepEqual(channel.sent[1], { jsonrpc: "2.0", method: "notifications/initialized" });
  channel.sent = [];
  return { channel, client };
}

test("results, errors and what became of calls", async () => {
  const { channel, client } = await connected();
  assert.equal(client.server.serverInfo.name, "echo");
  const one = client.callTool("echo", { message: "hi" });
  const two = assert.rejects(client.request("tools/list"), error => error instanceof McpError && error.code === -32003 && error.outcome === "not-executed");
  await settle();
  assert.deepEqual(channel.sent[0].params, { name: "echo", arguments: { message: "hi" } });
  await channel.say({ jsonrpc: "2.0", id: channel.sent[1].id, error: { code: -32003, message: "not for you", data: { dawn: "not-executed" } } });
  await channel.say({ jsonrpc: "2.0", id: channel.sent[0].id, result: { content: [] } });
  assert.deepEqual(await one, { content: [] });
  await two;
});

test("what is no JSON-RPC is dropped, and answers of nobody's questions too", async () => {
  const { channel, client } = await connected();
  for (const bad of ["{", "[]", "null", "7", '"x"', { jsonrpc: "1.0", id: 2, result: {} }, { jsonrpc: "2.0", id: 99, result: {} }, { jsonrpc: "2.0", id: null, error: 7 }, { jsonrpc: "2.0", method: 7 }, { jsonrpc: "2.0", method: "notifications/progress", params: 7 }]) {
    await channel.say(bad);
  }
  const call = client.request("ping");
  await settle();
  await channel.say({ jsonrpc: "2.0", id: channel.sent.at(-1).id, result: {} });
  assert.deepEqual(await call, {});
});

test("progress comes to its own call, and keeps it from its time-out", async () => {
  const runtime = new ManualRuntime();
  const { channel, client } = await connected({ runtime });
  /** @type {number[]} */
  const seen = [];
  const call = client.callTool("slow", {}, { timeout: 1_000, onProgress: progress => seen.push(progress.progress) });
  await settle();
  const [{ id, params }] = channel.sent;
  for (let i = 1; i <= 5; i++) {
    await runtime.advance(900);
    await channel.say({ jsonrpc: "2.0", method: "notifications/progress", params: { progressToken: params._meta.progressToken, progress: i } });
  }
  assert.deepEqual(seen, [1, 2, 3, 4, 5]);
  const refused = assert.rejects(call, { code: "timeout", outcome: "outcome-unknown" });
  await runtime.advance(1_000);
  await refused;
  assert.deepEqual(channel.sent.at(-1), { jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: id, reason: "No answer within 1 s." } });
});

test("cancelling tells the agent", async () => {
  const { channel, client } = await connected();
  const abort = new AbortController();
  const call = client.callTool("slow", {}, { signal: abort.signal });
  const refused = assert.rejects(call, { code: "cancelled" });
  await settle();
  abort.abort();
  await refused;
  assert.equal(channel.sent.at(-1).method, "notifications/cancelled");
  await assert.rejects(client.callTool("slow", {}, { signal: abort.signal }), { code: "cancelled", outcome: "not-executed" });
});

test("a server's requests are answered by handlers, and refused without", async () => {
  /** @type {string[]} */
  const notified = [];
  const { channel } = await connected({
    capabilities: { elicitation: {} },
    handlers: {
      "elicitation/create": async params => ({ action: "accept", content: { name: params.message } }),
      "sampling/createMessage": (_, { signal }) => new Promise((_, reject) => signal.addEventListener("abort", () => reject(new Error("gone")))),
      "roots/list": () => {
        throw new McpError(-32001, "none of yours", { a: 1 });
      },
    },
    onNotification: method => notified.push(method),
  });
  await channel.say({ jsonrpc: "2.0", id: "a", method: "elicitation/create", params: { message: "who?" } });
  assert.deepEqual(channel.sent.at(-1), { jsonrpc: "2.0", id: "a", result: { action: "accept", content: { name: "who?" } } });
  await channel.say({ jsonrpc: "2.0", id: 1, method: "ping" });
  assert.deepEqual(channel.sent.at(-1), { jsonrpc: "2.0", id: 1, result: {} });
  await channel.say({ jsonrpc: "2.0", id: 2, method: "toString" });
  assert.equal(channel.sent.at(-1).error.code, -32601);
  await channel.say({ jsonrpc: "2.0", id: 3, method: "roots/list" });
  assert.deepEqual(channel.sent.at(-1).error, { code: -32001, message: "none of yours", data: { a: 1 } });
  const before = channel.sent.length;
  await channel.say({ jsonrpc: "2.0", id: 4, method: "sampling/createMessage" });
  await channel.say({ jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: 4 } });
  assert.equal(channel.sent.length, before, "what was cancelled is not answered");
  await channel.say({ jsonrpc: "2.0", method: "notifications/tools/list_changed" });
  assert.deepEqual(notified, ["notifications/tools/list_changed"]);
});

test("the end of the channel ends what is unanswered, and says what became of it", async () => {
  const { channel, client } = await connected();
  const call = client.callTool("echo", {});
  const refused = assert.rejects(call, { code: "lost", outcome: "outcome-unknown" });
  await settle();
  channel.error = new DawnError("lost", "gone");
  await channel.say(null);
  await refused;
  assert.equal((await client.closed)?.code, "lost");
  await assert.rejects(client.callTool("echo", {}), { code: "lost", outcome: "not-executed" });
});

test("all pages of a list", async () => {
  const { channel, client } = await connected();
  const listing = client.list("tools");
  await settle();
  await channel.say({ jsonrpc: "2.0", id: channel.sent.at(-1).id, result: { tools: [{ name: "a" }], nextCursor: "2" } });
  assert.equal(channel.sent.at(-1).params.cursor, "2");
  await channel.say({ jsonrpc: "2.0", id: channel.sent.at(-1).id, result: { tools: [{ name: "b" }] } });
  assert.deepEqual((await listing).map(tool => tool.name), ["a", "b"]);
});
