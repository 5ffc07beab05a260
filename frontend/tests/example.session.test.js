// The worked example, byte for byte: A's side of the session with B, from the first segment to the goodbye.
import assert from "node:assert/strict";
import { test } from "node:test";
import { fromText, toHex } from "../services/bytes.js";
import { Salts, signedContent } from "../services/checkpoints.js";
import { headerSize, kinds, readEnvelope, writeEnvelope } from "../services/envelope.js";
import { Aead, sha256 } from "../services/primitives.js";
import { Session } from "../services/session.js";
import { ManualRuntime, credentialsOf, hex, lines, settle, text } from "./support.js";

/** @typedef {import("../services/bytes.js").Bytes} Bytes */

/** The payload of one of the page's envelopes. @param {string} name @returns {Bytes} */
const payload = name => hex(`session ${name} envelope`).subarray(headerSize);

test("all of it", async () => {
  // The checkpoint's time is part of what is signed: the page says in its frames when that was.
  const signedAt = Number(BigInt("0x" + text("session A epoch 0 nonce 2 frame checkpoint").slice(2 + 16 + 4 + 36, 2 + 16 + 4 + 52)));
  const runtime = new ManualRuntime(signedAt - 20);
  runtime.ephemerals.push(hex("session rekey initiator's ephemeral private key"));
  /** @type {Bytes[]} */
  const sent = [];
  const session = await Session.begin({
    credentials: await credentialsOf("A", runtime),
    remote: { node: hex("B NodeId"), certificate: null },
    tag: hex("session A envelope with message 1").subarray(76, 84),
    isInitiator: true,
    outlet: { send: bytes => sent.push(bytes) > 0, room: async () => {}, stalled: () => assert.fail("stalled") },
    rekeyAfter: 30_000,
  }, { send: hex("session key of the initiator"), receive: hex("session key of the responder"), secret: hex("session secret of the salts"), hash: hex("session h after message 3") });

  /** @param {string} name */
  const expectSent = async name => {
    await settle();
    assert.equal(toHex(sent.shift() ?? new Uint8Array(0)), toHex(payload(name)), name);
  };
  /** @param {string} name */
  const receive = name => session.receive(payload(name));

  const channel = session.openChannel("echo", "gateway");
  const sending = channel.send(fromText('{"jsonrpc":"2.0","id":1,"method":"ping"}'));
  await expectSent("A epoch 0 nonce 0");
  await sending;
  await receive("B epoch 0 nonce 0");
  assert.deepEqual(JSON.parse(new TextDecoder().decode(/** @type {Bytes} */ (await channel.read()))), { jsonrpc: "2.0", id: 1, result: {} });
  await expectSent("A epoch 0 nonce 1");
  assert.equal(await session.confirmed, true);

  // What came twice, and what was altered, changes nothing.
  await receive("B epoch 0 nonce 0");
  const altered = payload("B epoch 0 nonce 1").slice();
  altered[20] ^= 1;
  await session.receive(altered);
  await settle();
  assert.equal(sent.length, 0);

  await runtime.advance(20);
  await expectSent("A epoch 0 nonce 2");
  await receive("B epoch 0 nonce 1");
  await runtime.advance(20);
  await expectSent("A epoch 0 nonce 3");
  await receive("B epoch 0 nonce 2");

  await runtime.advance(30_000 - runtime.ticks());
  await expectSent("A epoch 0 nonce 4");
  await receive("B epoch 0 nonce 3");
  await expectSent("A epoch 0 nonce 5");
  await receive("B epoch 1 nonce 0");
  await expectSent("A epoch 1 nonce 0");
  assert.equal(session.epoch, 1);
  await receive("B epoch 1 nonce 1");
  await runtime.advance(20);
  await expectSent("A epoch 1 nonce 1");
  await receive("B epoch 1 nonce 2");
  await runtime.advance(20);
  await expectSent("A epoch 1 nonce 2");
  await receive("B epoch 1 nonce 3");

  channel.close();
  await expectSent("A epoch 1 nonce 3");
  await receive("B epoch 1 nonce 4");
  await settle();
  assert.equal(sent.length, 0);
  await session.end(6, "The node is stopping.", true);
  await expectSent("A epoch 1 nonce 4");
  assert.equal(session.error?.code, "stopping");
  assert.equal(runtime.timers, 0);
});

test("salts, leaves, roots, signatures and hashes of every checkpoint", async () => {
  for (const node of ["A", "B"]) {
    const salts = new Salts(await Aead.import(hex(`session salt key of the ${node === "A" ? "initiator" : "responder"}`)));
    const flow = { sender: hex(`${node} NodeId`), recipient: hex(`${node === "A" ? "B" : "A"} NodeId`), isInitiator: node === "A", tag: hex("session A envelope with message 1").subarray(76, 84) };
    /** @type {Bytes} */
    let previous = new Uint8Array(32);
    for (let number = 0; lines.some(line => line.name === `checkpoint ${number} of ${node} root`); number++) {
      const name = `checkpoint ${number} of ${node}`;
      const covered = lines.filter(line => line.name.startsWith(`${name} leaf of `)).map(line => Number(line.name.split(" ").at(-1)));
      const leaves = covered.map(sequence => {
        const frame = lines.find(line => line.name.startsWith(`session ${node} epoch `) && / frame (open|accept|data|close|rekey)$/.test(line.name) && Number("0x" + line.value.slice(2, 18)) === sequence);
        return { sequence, bytes: Uint8Array.from(Buffer.from(/** @type {any} */ (frame).value, "hex")) };
      });
      for (const leaf of leaves) {
        assert.equal(toHex(await salts.at(leaf.sequence)), text(`${name} salt of ${leaf.sequence}`));
        assert.equal(toHex(await salts.leaf(leaf)), text(`${name} leaf of ${leaf.sequence}`));
      }
      const root = await salts.root(leaves);
      assert.equal(toHex(root), text(`${name} root`));
      const content = hex(`${name} signed content`);
      const time = new DataView(content.buffer).getBigUint64(156);
      assert.equal(toHex(signedContent(flow, previous, root, { number, first: covered[0], count: covered.length, time })), toHex(content));
      previous = await sha256(content, hex(`${name} signature`));
      assert.equal(toHex(previous), text(`${name} hash, the next one's previous`));
    }
  }
});

test("envelopes are read and written as they are", () => {
  const bytes = hex("session A envelope with message 1");
  const envelope = /** @type {import("../services/envelope.js").Envelope} */ (readEnvelope(bytes));
  assert.deepEqual([envelope.kind, envelope.hops, envelope.id], [kinds.handshake, 16, 0x1010101010101011n]);
  assert.equal(toHex(writeEnvelope(envelope.kind, envelope.id, envelope.source, envelope.target, envelope.tag, envelope.payload)), toHex(bytes));
  assert.equal(readEnvelope(bytes.subarray(0, 87)), null);
  assert.equal(readEnvelope(bytes.subarray(0, bytes.length - 1)), null);
  assert.equal(readEnvelope(Uint8Array.of(...bytes, 0)), null);
  assert.equal(readEnvelope(Uint8Array.of(2, ...bytes.subarray(1))), null);
});

