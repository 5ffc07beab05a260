// Bytes of strangers: whatever they are, they are read or refused, and nothing else happens.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Reader, concat, fromBase32, fromHex, fromText, toBase32, toHex, toText } from "../services/bytes.js";
import { readCertificate } from "../services/certificate.js";
import { kinds, readEnvelope } from "../services/envelope.js";
import { Floods } from "../services/floods.js";
import { readFrames } from "../services/frames.js";
import { isNodeId, verify } from "../services/identity.js";
import { readTicket } from "../services/ticket.js";
import { DawnError } from "../services/errors.js";
import { ManualRuntime, anyIdentity, epoch, hex, lines, random, settle } from "./support.js";

/** @typedef {import("../services/bytes.js").Bytes} Bytes */

/** One change to some bytes. @param {Bytes} bytes @param {() => number} next @returns {Bytes} */
function mutate(bytes, next) {
  const at = Math.floor(next() * bytes.length);
  switch (Math.floor(next() * 4)) {
    case 0: {
      const changed = bytes.slice();
      changed[at] = next() * 256;
      return changed;
    }
    case 1:
      return bytes.slice(0, at);
    case 2:
      return concat(bytes, Uint8Array.from({ length: 1 + Math.floor(next() * 40) }, () => next() * 256));
    default:
      return concat(bytes.slice(0, at), Uint8Array.of(255, 255, 255, 255), bytes.slice(at));
  }
}

test("frames and envelopes of the example, changed in thousands of ways", () => {
  const next = random(3);
  const segments = lines.filter(line => / frame /.test(line.name)).map(line => fromHex(line.value));
  const envelopes = lines.filter(line => / envelope/.test(line.name)).map(line => fromHex(line.value));
  for (let i = 0; i < 20_000; i++) {
    let bytes = segments[i % segments.length];
    for (let k = 0; k < 1 + i % 3; k++) {
      bytes = mutate(bytes.length > 0 ? bytes : Uint8Array.of(0), next);
    }
    const frames = readFrames(bytes);
    assert.ok(frames === null || frames.every(frame => frame.encoded.length <= bytes.length && frame.body.length <= bytes.length));
    const envelope = readEnvelope(mutate(envelopes[i % envelopes.length], next));
    assert.ok(envelope === null || envelope.payload.length <= 17_408);
  }
});

test("tickets, changed", () => {
  const next = random(5);
  for (let i = 0; i < 5_000; i++) {
    const changed = "dawn1" + toBase32(mutate(hex("ticket bytes"), next));
    try {
      const ticket = readTicket(changed, epoch);
      assert.ok(ticket.addresses.length <= 4);
    } catch (error) {
      assert.ok(error instanceof DawnError, String(error));
    }
  }
});

test("keys that verify anything are no NodeIds", async () => {
  for (const bad of ["00".repeat(32), "01" + "00".repeat(31), "01" + "00".repeat(30) + "80", "ec" + "ff".repeat(30) + "7f", "ec" + "ff".repeat(31), "ed" + "ff".repeat(30) + "7f", "ff".repeat(32), "ee" + "ff".repeat(30) + "7f",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05", "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa"]) {
    assert.equal(isNodeId(fromHex(bad)), false, bad);
    assert.equal(await verify(fromHex(bad), "record", fromText("x"), new Uint8Array(64)), false);
    assert.equal(await readCertificate(hex("A certificate"), fromHex(bad), hex("A NodeId"), epoch), null);
  }
  assert.equal(await verify(hex("A NodeId"), "record", fromText("x"), new Uint8Array(63)), false);
});

test("readers never read beyond their end", () => {
  const reader = new Reader(Uint8Array.of(0, 5, 1, 2));
  assert.deepEqual([reader.block16().length, reader.failed, reader.u64(), reader.rest().length, reader.complete], [0, true, 0n, 0, false]);
  assert.equal(new Reader(Uint8Array.of(2, 0xc3, 0x28)).text8(), "");
  assert.equal(new Reader(fromHex("7fffffffffffffffff")).u8(), 127);
  assert.throws(() => toText(Uint8Array.of(0xff)));
  assert.throws(() => fromHex("0g"));
  for (const text of ["a", "a1", "aaa", "aaaaaa", "0000", "ab"]) {
    assert.equal(fromBase32(text), null, text);
  }
  const next = random(9);
  for (let i = 0; i < 500; i++) {
    const bytes = Uint8Array.from({ length: i % 80 }, () => next() * 256);
    assert.equal(toHex(/** @type {Bytes} */ (fromBase32(toBase32(bytes)))), toHex(bytes));
    assert.equal(toHex(fromHex(toHex(bytes))), toHex(bytes));
  }
});

test("floods: asked within limits, answered once, and believed when signed", async () => {
  const runtime = new ManualRuntime();
  const [us, them] = [await anyIdentity(), await anyIdentity()];
  /** @type {{ kind: number, target: Bytes, payload: Bytes }[]} */
  const ours = [];
  /** @type {typeof ours} */
  const theirs = [];
  const one = new Floods(us, runtime, (kind, target, payload) => ours.push({ kind, target, payload }));
  const two = new Floods(them, runtime, (kind, target, payload) => theirs.push({ kind, target, payload }));
  await one.seek(them.id);
  await one.seek(them.id);
  assert.deepEqual(ours.map(envelope => envelope.kind), [kinds.seek], "not twice within two seconds");
  /** @param {Bytes} source @param {{ kind: number, target: Bytes, payload: Bytes }} sent */
  const envelope = (source, { kind, target, payload }) => ({ kind, hops: 16, id: 1n, source, target, tag: new Uint8Array(8), payload });

  const forged = envelope(us.id, ours[0]);
  await two.onSeek({ ...forged, payload: mutate(forged.payload.slice(0, 88), () => 0.1) });
  await two.onSeek(envelope(them.id, ours[0]));
  assert.equal(theirs.length, 0);
  await two.onSeek(forged);
  await two.onSeek(forged);
  assert.deepEqual(theirs.map(sent => sent.kind), [kinds.found], "once");

  const answer = envelope(them.id, theirs[0]);
  assert.equal(await one.onFound({ ...answer, source: us.id }), null);
  const altered = answer.payload.slice();
  altered[90] ^= 1;
  assert.equal(await one.onFound({ ...answer, payload: altered }), null);
  assert.equal(toHex(/** @type {Bytes} */ (await one.onFound(answer))), toHex(them.id));
  assert.equal(await one.onFound(answer), null, "once");

  await runtime.advance(200_000);
  await two.onSeek(forged);
  assert.equal(theirs.length, 1, "expired");
  for (let i = 0; i < 50; i++) {
    await one.seek((await anyIdentity()).id);
  }
  assert.ok(ours.length <= 11, `${ours.length} questions at once`);
  await settle();
});
