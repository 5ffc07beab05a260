// The page's node without a page, before real nodes: joins by the ticket in the page's address, and calls agents of a node that its home passes everything on to.
import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import WebSocket from "ws";
import { DawnError } from "../../services/errors.js";
import { LightNode } from "../../services/node.js";
import { memoryStore } from "../../services/store.js";
import { ticketIn } from "../../services/ticket.js";
import { DawnNode, dataDirectory, eventually } from "./nodes.mjs";

const limit = { timeout: 120_000 };
const patience = 50_000;
const gateway = { "Gateway:Url": "http://127.0.0.1:0", "Plugins:first:Enabled": "true" };

/** What a test started, to be ended with it: pages first, which say goodbye. @type {LightNode[]} */
const pages = [];
/** @type {DawnNode[]} */
const nodes = [];
afterEach(async () => {
  await Promise.all(pages.splice(0).map(page => page.close()));
  await Promise.all(nodes.splice(0).map(node => node.stop()));
});

/** @param {Record<string, string>} settings @param {string} [data] */
async function start(settings, data) {
  const node = await DawnNode.start(settings, data);
  nodes.push(node);
  return node;
}

/** A light node at a home. @param {string} address The page's, with its ticket or without. @param {Partial<import("../../services/node.js").OpenOptions>} [options] */
async function open(address, options = {}) {
  const node = await LightNode.open({ url: address, ticket: ticketIn(new URL(address).hash), store: memoryStore(), locks: null, WebSocket: /** @type {any} */ (WebSocket), ...options });
  pages.push(node);
  return node;
}

/** Waits until the network tells of an agent. @param {LightNode} node @param {string} address */
const knows = (node, address) => eventually(`an agent ${address}`, async () => node.agents().some(one => one.address === address && one.online));

/** Where the machine is so busy that no handshake is through in its time, the next one may be: nothing was executed. @param {LightNode} from @param {string} to */
async function connect(from, to) {
  for (const signal = AbortSignal.timeout(patience); ;) {
    try {
      return await from.connect(to, { signal });
    } catch (error) {
      if (!(error instanceof DawnError) || error.code !== "unreachable") {
        throw error;
      }
    }
  }
}

/** @param {Promise<unknown>} action @param {string} code */
const failsWith = (action, code) => assert.rejects(action, error => error instanceof DawnError && error.code === code);

/** Calls agents of a far node, one after the other, many at once and at length. @param {LightNode} node @param {DawnNode} far */
async function converse(node, far) {
  await node.whenOnline(AbortSignal.timeout(patience));
  await knows(node, `${far.id}:first`);
  const client = await connect(node, `${far.id}:first`);
  assert.equal(client.server.serverInfo.name, "first");
  assert.ok((await client.list("tools")).some(tool => tool.name === "roll"));
  assert.equal((await client.callTool("roll", { dice: "3d6" })).structuredContent.rolls.length, 3);
  const many = await Promise.all(Array.from({ length: 20 }, () => client.callTool("roll", { dice: "2d6" })));
  assert.ok(many.every(result => result.structuredContent.rolls.length === 2));
  // Larger than any window.
  const text = await connect(node, `${far.id}:text`);
  assert.equal((await text.callTool("count", { text: "dawn ".repeat(600_000) }, { timeout: patience })).structuredContent.words, 600_000);
  await failsWith(connect(node, `${far.id}:nobody`), "unknown-agent");
  return client;
}

test("It calls agents of a far node through its home, comes again without a ticket, and nobody comes twice with one", limit, async () => {
  const home = await start({ ...gateway, "Listen:0": "ws://127.0.0.1:0" });
  const far = await start({ "Bootstrap:0": home.at, "Plugins:first:Enabled": "true", "Plugins:text:Enabled": "true" });
  const store = memoryStore();
  const node = await open(home.ui, { store });
  await converse(node, far);
  assert.deepEqual([node.status.home, node.status.network], [home.id, "orchard"]);
  await eventually("home passed it on", async () => await home.metric("dawn_relay_bytes_total") > 3_000_000);
  assert.match(home.log, /is now a Browser of the network/);
  await node.close();

  const again = await open(home.origin, { store });
  await again.whenOnline(AbortSignal.timeout(patience));
  assert.equal(again.id, node.id);
  await knows(again, `${far.id}:first`);
  assert.equal((await (await connect(again, `${far.id}:first`)).callTool("roll", { dice: "1d6" })).structuredContent.rolls.length, 1);
  await failsWith((await open(home.ui)).whenOnline(), "ticket-spent");
  await failsWith((await open(home.origin)).whenOnline(), "ticket-needed");
});

test("It reaches nodes that its home is not linked to", limit, async () => {
  const hub = await start({ Mode: "centralized", "Listen:0": "ws://127.0.0.1:0" });
  const spoke = { Mode: "centralized", "Hubs:0": hub.at };
  const [home, far] = await Promise.all([start({ ...gateway, ...spoke }), start({ ...spoke, "Plugins:first:Enabled": "true", "Plugins:text:Enabled": "true" })]);
  await converse(await open(home.ui), far);
});

test("Calls go on while all keys are replaced, again and again", limit, async () => {
  const often = { "Security:RekeyAfter": "00:00:01" };
  const home = await start({ ...gateway, ...often, "Listen:0": "ws://127.0.0.1:0" });
  const far = await start({ ...often, "Bootstrap:0": home.at, "Plugins:first:Enabled": "true", "Plugins:text:Enabled": "true" });
  const node = await open(home.ui, { rekeyAfter: 1_500 });
  const client = await converse(node, far);
  const epochs = () => [node.connections().link?.epoch ?? 0, node.connections().sessions.find(one => one.node === far.id)?.epoch ?? 0];
  let calls = 0;
  for (const until = Date.now() + patience; epochs().some(epoch => epoch < 3); calls++) {
    assert.ok(Date.now() < until, `keys were replaced ${epochs()} times`);
    await client.callTool("roll", { dice: "1d6" });
  }
  assert.ok(calls >= 10);
});

test("A call survives the restart of the home node", limit, async () => {
  const data = dataDirectory("home");
  const home = await start({ ...gateway, "Listen:0": "ws://127.0.0.1:0" }, data);
  const far = await start({ "Bootstrap:0": home.at, "Plugins:first:Enabled": "true" });
  const node = await open(home.ui);
  await node.whenOnline(AbortSignal.timeout(patience));
  await knows(node, `${far.id}:first`);
  const client = await connect(node, `${far.id}:first`);
  await client.callTool("roll", { dice: "1d6" });
  await home.stop("SIGKILL");
  await eventually("the page notices", async () => node.status.state !== "online");
  // Nothing can leave now; it goes when there is a way again, on the same session.
  const call = client.callTool("roll", { dice: "2d6" });
  await start({ ...gateway, "Listen:0": home.listen, "Gateway:Url": home.origin }, data);
  assert.equal((await call).structuredContent.rolls.length, 2);
  assert.equal(node.connections().sessions.length, 1);
});

test("It is let in again while it is linked, and shows the new certificate by fresh keys", limit, async () => {
  const home = await start({ ...gateway, "Listen:0": "ws://127.0.0.1:0" });
  const far = await start({ "Bootstrap:0": home.at, "Plugins:first:Enabled": "true" });
  const node = await open(home.ui);
  await node.whenOnline(AbortSignal.timeout(patience));
  await knows(node, `${far.id}:first`);
  const client = await connect(node, `${far.id}:first`);
  const before = node.status.certificateEnds ?? 0;
  // Its times are whole seconds.
  await eventually("the next second", async () => Date.now() + 86_400_000 - before > 1_000);
  await node.redeem(ticketIn(new URL(await home.cli("ui")).hash) ?? "");
  assert.ok((node.status.certificateEnds ?? 0) > before);
  for (const until = Date.now() + patience; node.connections().link?.epoch === 0 || node.connections().sessions.some(one => one.epoch === 0);) {
    assert.ok(Date.now() < until, "no fresh keys");
    await client.callTool("roll", { dice: "1d6" });
  }
  assert.equal(node.status.state, "online");
  assert.equal(node.connections().sessions.length, 1);
});
