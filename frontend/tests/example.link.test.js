// The worked example, byte for byte: A's link to B, its rekeying and its end; C's link by ticket.
import assert from "node:assert/strict";
import { test } from "node:test";
import { concat, fromHex, toHex } from "../services/bytes.js";
import { Link, frames } from "../services/link.js";
import { FakeSocket, ManualRuntime, Socket, credentialsOf, hex, settle, text } from "./support.js";

/** @typedef {import("../services/bytes.js").Bytes} Bytes */

/** @param {Bytes} message */
const block = message => concat(fromHex(message.length.toString(16).padStart(4, "0")), message);

/** A's link as the example has it, up. @param {import("../services/link.js").LinkOptions} [options] */
async function up(options = {}) {
  const runtime = new ManualRuntime();
  runtime.randoms.push(hex("hello of A").subarray(8));
  runtime.ephemerals.push(hex("link initiator's ephemeral private key"), hex("link rekey initiator's ephemeral private key"));
  const dialling = Link.dial("ws://example", Socket, await credentialsOf("A", runtime), { expected: hex("B NodeId"), ...options });
  await settle();
  const socket = FakeSocket.made[0];
  assert.equal(socket.stream, text("hello of A"));
  // In crumbs: where messages begin and end means nothing.
  for (const byte of hex("hello of B")) {
    socket.receive(Uint8Array.of(byte));
  }
  await settle();
  assert.equal(socket.stream, text("hello of A") + "0030" + text("link message 1"));
  socket.receive(block(hex("link message 2")));
  await settle();
  socket.sent.shift();
  socket.sent.shift();
  assert.equal(socket.stream, toHex(block(hex("link message 3"))) + text("link A ping record, nonce 0"));
  socket.sent = [];
  socket.receive(hex("link B ping record, nonce 0"));
  const link = await dialling;
  await settle();
  assert.equal(socket.stream, text("link A pong record, nonce 1"));
  socket.sent = [];
  return { runtime, socket, link };
}

test("hellos, handshake, first records, rekeying, close", async () => {
  const { runtime, socket, link } = await up({ rekeyAfter: 600_000 });
  await runtime.advance(3);
  socket.receive(hex("link B pong record, nonce 1"));
  await settle();
  assert.equal(link.roundTrip, 3);
  assert.equal(toHex(link.remote.node), text("B NodeId"));

  // What the example leaves out, so that its nonces stay as they are: the pings of a quiet link.
  for (let i = 0; i < 200; i++) {
    await runtime.advance(2_999);
    socket.onmessage?.({ data: new ArrayBuffer(0) });
  }
  await runtime.advance(2_000);
  assert.equal(socket.stream, text("link A rekey 1 record, nonce 2"));
  socket.sent = [];
  socket.receive(hex("link B rekey 2 record, nonce 2"));
  await settle();
  assert.equal(socket.stream, text("link A rekey 3 and switch record, nonce 3"));
  socket.sent = [];
  assert.equal(link.epoch, 0);
  socket.receive(hex("link B switch record, nonce 3"), hex("link B pong after the switch record, nonce 0"));
  await settle();
  assert.equal(link.epoch, 1);

  // The ping of the example is not ours to time; one of the same form takes its place.
  link.send(frames.ping, fromHex("0000000000000002"));
  await settle();
  assert.equal(socket.stream, text("link A ping after the switch record, nonce 0"));
  socket.sent = [];
  const closed = link.close("stopping", "the node is stopping");
  await settle();
  assert.equal(socket.stream, text("link A close record, nonce 1"));
  socket.close();
  assert.equal((await closed, await link.ended).end, "broken");
});

test("a record that was altered ends the link, and one of nobody's frames as well", async () => {
  const one = await up();
  const altered = hex("link B pong record, nonce 1");
  altered[10] ^= 1;
  one.socket.receive(altered);
  assert.equal((await one.link.ended).end, "protocol");

  const two = await up();
  two.socket.receive(hex("link B ping record, nonce 0"));
  assert.equal((await two.link.ended).end, "protocol", "a repeated record");
});

test("a silent neighbour is asked, then given up", async () => {
  const { runtime, socket, link } = await up();
  await runtime.advance(4_999);
  assert.equal(socket.sent.length, 0);
  await runtime.advance(1_001);
  assert.equal(socket.sent.length, 1);
  await runtime.advance(10_000);
  assert.equal((await link.ended).end, "silent");
  assert.equal(runtime.timers, 0);
});

test("a neighbour over which something got no answer has less time", async () => {
  const { runtime, socket, link } = await up();
  link.ask();
  link.ask();
  await settle();
  assert.equal(socket.sent.length, 1);
  socket.onmessage?.({ data: new ArrayBuffer(0) });
  await runtime.advance(4_500);
  link.ask();
  await runtime.advance(4_000);
  assert.equal(runtime.timers, 1, "still up");
  await runtime.advance(2_000);
  assert.equal((await link.ended).end, "silent");
});

test("another node than the one that was meant gets no message 3", async () => {
  const runtime = new ManualRuntime();
  runtime.randoms.push(hex("hello of A").subarray(8));
  runtime.ephemerals.push(hex("link initiator's ephemeral private key"));
  const dialling = Link.dial("ws://example", Socket, await credentialsOf("A", runtime), { expected: hex("C NodeId") });
  const refused = assert.rejects(dialling, { code: "wrong-node" });
  await settle();
  const socket = FakeSocket.made[0];
  socket.receive(hex("hello of B"), block(hex("link message 2")));
  await refused;
  assert.equal(socket.stream, text("hello of A") + "0030" + text("link message 1"));
  assert.equal(socket.readyState, 3);
});

test("a handshake that takes too long ends", async () => {
  const runtime = new ManualRuntime();
  const dialling = Link.dial("ws://example", Socket, await credentialsOf("A", runtime));
  const refused = assert.rejects(dialling, { code: "timeout" });
  await runtime.advance(5_000);
  await refused;
  assert.equal(FakeSocket.made[0].readyState, 3);
});

test("what is no hello is refused at its first bytes", async () => {
  for (const bad of ["4854545020", "4441574e0200000000", "4441574e0103000000", "4441574e010001d900"]) {
    const dialling = Link.dial("ws://example", Socket, await credentialsOf("A", new ManualRuntime()));
    const refused = assert.rejects(dialling, { code: /^(protocol|timeout)$/ });
    await settle();
    FakeSocket.made[0].receive(fromHex(bad.padEnd(18, "0")));
    await refused;
  }
});

test("C redeems the ticket", async () => {
  const runtime = new ManualRuntime();
  runtime.randoms.push(hex("hello of C").subarray(8, 40));
  runtime.ephemerals.push(hex("redeem initiator's ephemeral private key"));
  const credentials = { ...await credentialsOf("C", runtime), psk: hex("redeem PSK"), network: null };
  const dialling = Link.dial("ws://example", Socket, credentials, { ticketId: hex("ticket bytes").subarray(2, 18), expected: hex("A NodeId") });
  await settle();
  const socket = FakeSocket.made[0];
  assert.equal(socket.stream, text("hello of C"));
  socket.receive(hex("hello of A to C"), block(hex("redeem message 2")));
  await settle();
  assert.equal(socket.stream.slice(0, (40 + 19 + 50) * 2 + 4 + text("redeem message 3").length),
    text("hello of C") + "0030" + text("redeem message 1") + toHex(block(hex("redeem message 3"))));
  const spent = assert.rejects(dialling, { code: "ticket-spent" });
  socket.close();
  await spent;
});

test("a ticket that nobody knows is told from one that expired: by silence", async () => {
  const runtime = new ManualRuntime();
  const credentials = { ...await credentialsOf("C", runtime), psk: hex("redeem PSK"), network: null };
  const dialling = Link.dial("ws://example", Socket, credentials, { ticketId: hex("ticket bytes").subarray(2, 18), expected: hex("A NodeId") });
  const spent = assert.rejects(dialling, { code: "ticket-spent" });
  await settle();
  FakeSocket.made[0].receive(hex("hello of A to C"));
  await settle();
  FakeSocket.made[0].close();
  await spent;
});
