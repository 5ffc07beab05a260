// Records: the example's, those that don't count, and who is gone.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Writer, concat } from "../services/bytes.js";
import { Identity } from "../services/identity.js";
import { importEd25519 } from "../services/primitives.js";
import { peekRecord, readRecord, writeRecord } from "../services/records.js";
import { Registry, askForAll, writeLeave } from "../services/registry.js";
import { ManualRuntime, epoch, hex, identity, random, settle, text } from "./support.js";

/** @typedef {import("../services/bytes.js").Bytes} Bytes */

test("B's record of the example", async () => {
  const record = await readRecord(hex("B record"), hex("network public key"), epoch);
  assert.deepEqual(
    { ...record, node: undefined, hash: undefined },
    {
      node: undefined, hash: undefined, text: text("B NodeId as text"), sequence: BigInt(epoch), notAfter: epoch + 86_400_000, role: "member", encryption: "required",
      addresses: ["tcp://192.0.2.2:4711"], isRelay: false, relays: [], agents: [{ id: "echo", title: "Echo", tools: ["echo"] }],
    });
  assert.equal(await readRecord(hex("B record"), hex("network public key"), epoch + 86_400_000), null, "expired");
  assert.equal(await readRecord(hex("B record"), hex("network public key"), epoch - 600_001), null, "from too far ahead");
  assert.equal(await readRecord(hex("B record"), hex("A NodeId"), epoch), null, "another network's");
});

test("a record that was altered anywhere doesn't count", async () => {
  const bytes = hex("B record");
  for (let i = 0; i < bytes.length; i++) {
    const altered = bytes.slice();
    altered[i] ^= 1 << (i % 8);
    assert.equal(await readRecord(altered, hex("network public key"), epoch), null, `byte ${i}`);
  }
  assert.equal(await readRecord(bytes.subarray(0, 90), hex("network public key"), epoch), null);
});

/** B signs something that the host would not. @param {(body: Bytes) => Bytes} change */
async function forged(change) {
  const b = await identity(hex("B identity seed"), hex("B NodeId"));
  const body = change(hex("B record").slice(0, -64));
  return concat(body, await b.sign("record", body));
}

test("what a record may not say, whoever signs it", async () => {
  const body = hex("B record").slice(0, -64);
  for (const [what, change] of /** @type {[string, (body: Bytes) => Bytes][]} */ ([
    ["nothing", bytes => bytes],
    ["more behind it", bytes => concat(bytes, Uint8Array.of(0))],
    ["less", bytes => bytes.slice(0, -1)],
    ["another version", bytes => (bytes[0] = 2, bytes)],
    ["another's certificate", bytes => (bytes.set(hex("A certificate"), 60), bytes)],
    ["more agents than there are", bytes => (bytes[bytes.length - 1 - 4 - 1 - 2 - 32 - 5 - 5 - 1] = 2, bytes)],
  ])) {
    const record = await readRecord(await forged(change), hex("network public key"), epoch);
    assert.equal(record !== null, what === "nothing", what);
  }
  assert.ok(body.length > 0);
});

test("random bytes are no record, and cost nothing", async () => {
  const next = random(7);
  for (let i = 0; i < 200; i++) {
    const bytes = Uint8Array.from({ length: Math.floor(next() * 400) }, () => next() * 256);
    bytes[0] = 1;
    peekRecord(bytes);
    assert.equal(await readRecord(bytes, hex("network public key"), epoch), null);
  }
});

async function registry() {
  const runtime = new ManualRuntime(epoch + 1_000);
  const registry = new Registry(hex("network public key"), runtime);
  let changes = 0;
  registry.addEventListener("change", () => changes++);
  return { runtime, registry, changes: () => changes };
}

/** A's and B's newer records, as they sign them. @param {"A" | "B"} node @param {number} sequence */
async function newer(node, sequence) {
  return writeRecord(new Identity(hex(`${node} NodeId`), await importEd25519(hex(`${node} identity seed`))), { sequence, issued: epoch, notAfter: epoch + 3_600_000, certificate: hex(`${node} certificate`), relays: [hex(`${node === "A" ? "B" : "A"} NodeId`)] });
}

test("the newest record of a node holds, until it expires", async () => {
  const { runtime, registry: table, changes } = await registry();
  await table.offer(hex("B record"));
  await runtime.advance(49);
  await table.offer(hex("B record"));
  await table.offer(await newer("A", epoch));
  assert.equal(changes(), 0);
  await runtime.advance(1);
  assert.equal(changes(), 1);
  assert.deepEqual(table.records.map(record => [record.text, record.agents.length]), [[text("B NodeId as text"), 1], [text("A NodeId as text"), 0]]);
  await table.offer(await newer("B", epoch + 1));
  await table.offer(hex("B record"));
  assert.equal(table.find(text("B NodeId as text"))?.sequence, BigInt(epoch + 1));
  assert.deepEqual(table.find(text("B NodeId as text"))?.relays, [text("A NodeId as text")]);
  await runtime.advance(3_630_000);
  assert.deepEqual(table.records, []);
  table.close();
  assert.equal(runtime.timers, 0);
});

test("who leaves is gone, until a newer record", async () => {
  const { registry: table, runtime } = await registry();
  const b = await identity(hex("B identity seed"), hex("B NodeId"));
  await table.offer(hex("B record"));
  assert.ok(table.isOnline(b.text));
  const leave = await writeLeave(b, epoch, epoch + 1_000);
  const altered = leave.slice();
  altered[50] ^= 1;
  await table.hear(altered);
  assert.ok(table.isOnline(b.text), "unsigned");
  await table.hear(leave);
  assert.ok(!table.isOnline(b.text));
  await table.offer(await newer("B", epoch + 1));
  assert.ok(table.isOnline(b.text));
  await table.hear(leave);
  assert.ok(table.isOnline(b.text), "an old farewell");
  table.close();
  void runtime;
});

test("who is suspected and refutes nothing is gone after a while", async () => {
  const { registry: table, runtime } = await registry();
  await table.offer(hex("B record"));
  await table.offer(await newer("A", epoch));
  const a = await identity(hex("A identity seed"), hex("A NodeId"));
  const content = new Writer().bytes(hex("B NodeId")).u64(epoch).bytes(a.id).u64(epoch + 1_000).end();
  const suspicion = concat(Uint8Array.of(1, 12), content, await a.sign("suspicion", content));
  await table.hear(suspicion);
  const b = text("B NodeId as text");
  assert.ok(table.isOnline(b));
  await runtime.advance(2_000);
  assert.ok(!table.isOnline(b));
  table.isAlive(b);
  assert.ok(table.isOnline(b), "heard itself");
  await table.hear(suspicion);
  await table.offer(await newer("B", epoch + 1));
  await runtime.advance(10_000);
  assert.ok(table.isOnline(b), "refuted");
  table.close();
  await settle();
});

test("who went before the page came is gone by a neighbour's word, until a newer record", async () => {
  const { registry: table } = await registry();
  const b = text("B NodeId as text");
  table.isGone(b);
  await table.offer(hex("B record"));
  assert.ok(table.isOnline(b), "nothing is kept of whom nobody knows");
  table.isGone(b);
  assert.ok(!table.isOnline(b));
  await table.offer(await newer("B", epoch + 1));
  assert.ok(table.isOnline(b));
  table.close();
  await settle();
});

test("a summary is answered by one of the other form, and nothing else is", () => {
  assert.deepEqual(askForAll(concat(Uint8Array.of(1, 1, 1), new Uint8Array(32))), concat(Uint8Array.of(1, 1, 0), new Uint8Array(32)));
  assert.deepEqual(askForAll(concat(Uint8Array.of(1, 1, 0), new Uint8Array(32)))?.[2], 1);
  assert.equal(askForAll(Uint8Array.of(1, 4)), null);
  assert.equal(askForAll(new Uint8Array(0)), null);
});
