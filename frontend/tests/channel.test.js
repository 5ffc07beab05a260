// What a channel says of a long message while it leaves: how much has arrived, and when its end may go.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Channel } from "../services/channel.js";
import { DawnError } from "../services/errors.js";
import { Flight } from "../services/flight.js";
import * as frames from "../services/frames.js";
import { McpClient } from "../services/mcp.js";
import { toText } from "../services/bytes.js";
import { ManualRuntime, settle } from "./support.js";

/** A channel whose frames the test takes. */
function openChannel() {
  const session = { flushed: 0, controls: /** @type {Uint8Array[]} */ ([]), unread: 0, flush() { this.flushed++; }, control(/** @type {Uint8Array} */ frame) { this.controls.push(frame); }, forget() {} };
  const channel = new Channel(/** @type {any} */ (session), 2, true, 64 * 1024 * 1024);
  return { session, channel, next: () => channel.next(frames.maxPlaintext) };
}

test("what has arrived is told as it is acknowledged, in whatever order, and not twice", async () => {
  const { channel, next } = openChannel();
  const told = /** @type {number[][]} */ ([]);
  const leaving = channel.send(new Uint8Array(40_000), { onHeld: (held, total) => told.push([held, total]) });
  const flight = new Flight();
  let count = 0;
  for (let one = next(); one !== null; one = next()) {
    const { frame, onHeld } = one;
    flight.add(sequence => frames.number(frame, sequence), 0, onHeld);
    count++;
  }
  await leaving;
  assert.equal(count, 3);
  assert.equal(told.length, 0, "that it has left is not that it has arrived");
  flight.acknowledge(0, [{ first: 1, length: 1 }], 5);
  flight.loseAll();
  flight.acknowledge(2, [], 9);
  flight.acknowledge(2, [], 9);
  flight.acknowledge(3, [], 12);
  assert.deepEqual(told.map(([held]) => held), [15_872, 31_744, 40_000]);
  assert.ok(told.every(([, total]) => total === 40_000));
});

test("the last frame waits until it may leave, and others go on meanwhile", async () => {
  const { session, channel, next } = openChannel();
  let release = () => {};
  const promise = new Promise(resolve => release = () => resolve(undefined));
  let asked = 0;
  let hasLeft = false;
  void channel.send(new Uint8Array(20_000), { onLast: () => { asked++; return promise; } }).then(() => hasLeft = true);
  assert.notEqual(next(), null);
  assert.equal(next(), null);
  assert.equal(next(), null);
  assert.equal(asked, 1);
  const flushed = session.flushed;
  release();
  await settle();
  assert.ok(session.flushed > flushed, "the sender is told");
  assert.equal(hasLeft, false);
  assert.notEqual(next(), null);
  await settle();
  assert.equal(hasLeft, true);
});

test("where the end may not leave the channel is closed, and nobody has the message", async () => {
  const { session, channel, next } = openChannel();
  const refused = assert.rejects(channel.send(new Uint8Array(20_000), { onLast: () => Promise.reject(new Error("The disk is full.")) }), { message: "The disk is full." });
  next();
  next();
  await refused;
  await settle();
  assert.equal(channel.isOver, true);
  assert.equal(session.controls.length, 1);
  assert.equal(next(), null);
});

test("a message that had not left whole was not executed, however much of it had", async () => {
  const { channel, next } = openChannel();
  const refused = assert.rejects(channel.send(new Uint8Array(100_000)), { code: "lost", outcome: "not-executed" });
  next();
  channel.finish(new DawnError("lost", "There was no path for 30 s."));
  await refused;
});

test("a request that takes long to send has not timed out while it arrives", async () => {
  const runtime = new ManualRuntime();
  /** @type {((held: number, total: number) => void) | undefined} */
  let onHeld;
  const sent = /** @type {any[]} */ ([]);
  const client = new McpClient({
    send: async (message, options) => {
      sent.push(JSON.parse(toText(message)));
      onHeld = options?.onHeld ?? onHeld;
    },
    read: () => new Promise(() => {}), close: () => {}, error: null,
  }, { runtime });
  const held = /** @type {number[]} */ ([]);
  const call = client.callTool("chat", {}, { timeout: 1_000, sending: { onHeld: some => held.push(some) } });
  let isOver = false;
  const refused = assert.rejects(call, { code: "timeout" }).then(() => isOver = true);
  for (let i = 1; i <= 5; i++) {
    await runtime.advance(900);
    onHeld?.(i, 5);
  }
  assert.equal(isOver, false);
  assert.deepEqual(held, [1, 2, 3, 4, 5]);
  await runtime.advance(1_100);
  await refused;
  onHeld?.(5, 5);
  assert.equal(held.length, 5, "nobody is told of what was given up");
});
