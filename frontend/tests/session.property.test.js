// Two sessions over a path that loses, repeats and reorders: every message once and in order, for each seed.
import assert from "node:assert/strict";
import { test } from "node:test";
import { concat, fromText, toText } from "../services/bytes.js";
import { Aead, hkdf } from "../services/primitives.js";
import { ReplayWindow } from "../services/replayWindow.js";
import { Session } from "../services/session.js";
import * as frames from "../services/frames.js";
import { ManualRuntime, anyIdentity, random, settle } from "./support.js";

/** @typedef {import("../services/bytes.js").Bytes} Bytes */
/** @typedef {(from: number) => { copies: number, delay: number }} Weather */

/**
 * Two ends with a path between; weather says what becomes of each segment.
 * @param {ManualRuntime} runtime @param {Weather} weather
 */
async function pair(runtime, weather) {
  const identities = [await anyIdentity(), await anyIdentity()];
  const tag = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);
  const [one, two, secret] = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2), new Uint8Array(32).fill(3)];
  /** @type {Session[]} */
  const ends = [];
  const path = { isUp: true, segments: 0 };
  for (const i of [0, 1]) {
    ends.push(await Session.begin({
      credentials: { identity: identities[i], staticKey: await runtime.ephemeral(), psk: new Uint8Array(32), network: null, certificate: new Uint8Array(0), runtime },
      remote: { node: identities[1 - i].id, certificate: null },
      tag,
      isInitiator: i === 0,
      outlet: {
        send: payload => {
          path.segments++;
          const { copies, delay } = weather(i);
          for (let copy = 0; path.isUp && copy < copies; copy++) {
            runtime.setTimer(() => void ends[1 - i].receive(payload), delay * (copy + 1));
          }
          return true;
        },
        room: async () => {},
        stalled: () => {},
      },
    }, { send: i === 0 ? one.slice() : two.slice(), receive: i === 0 ? two.slice() : one.slice(), secret: secret.slice(), hash: new Uint8Array(32) }));
  }
  return { ends, path };
}

for (let seed = 1; seed <= 12; seed++) {
  test(`segments lost, repeated and reordered, seed ${seed}`, async () => {
    const next = random(seed);
    const runtime = new ManualRuntime();
    let isBad = true;
    const { ends: [a, b], path } = await pair(runtime, () => {
      if (!isBad) {
        return { copies: 1, delay: 2 };
      }
      const fate = next();
      return { copies: fate < 0.15 ? 0 : fate < 0.3 ? 2 : 1, delay: 1 + Math.floor(next() * 60) };
    });

    // A light node takes no channels: the one that A opens is refused by B, in order and once, however bad the path is.
    const refused = a.openChannel("echo", "page");
    await runtime.advance(20_000);
    assert.equal(refused.isOver, true);
    assert.equal(refused.error?.code, "unknown-agent");
    const other = b.openChannel("echo", "page");
    await runtime.advance(20_000);
    assert.equal(other.error?.code, "unknown-agent");
    assert.deepEqual([a.error, b.error], [null, null]);

    // Many of them, at once.
    const channels = Array.from({ length: 40 }, () => a.openChannel("echo", "page"));
    await runtime.advance(30_000);
    assert.ok(channels.every(channel => channel.error?.code === "unknown-agent"));
    isBad = false;
    await runtime.advance(30_000);
    assert.deepEqual([a.error, b.error], [null, null], "checkpoints, too, came in order and once");
    const quiet = path.segments;
    await runtime.advance(20_000);
    assert.equal(path.segments, quiet, "an idle session is silent");
  });
}

/** The far end as a program that the test writes: it has the keys and says what it likes. */
class RawEnd {
  /** @type {import("../services/frames.js").Frame[]} */
  frames = [];
  /** @type {Bytes[]} */
  raw = [];
  #nonce = 0;
  #seen = 0;

  /** @param {{ send: Aead, receive: Aead, prefix: { send: Bytes, receive: Bytes } }} keys */
  constructor(keys) {
    this.keys = keys;
  }

  /** @param {Bytes} payload */
  async take(payload) {
    const plaintext = await this.keys.receive.open(this.#seen++, concat(this.keys.prefix.receive, payload.subarray(0, 12)), payload.subarray(12));
    assert.notEqual(plaintext, null, "a segment of the session opens, under the next nonce");
    this.frames.push(.../** @type {import("../services/frames.js").Frame[]} */ (frames.readFrames(/** @type {Bytes} */ (plaintext))));
  }

  /** @param {...Bytes} parts @returns {Promise<Bytes>} */
  async segment(...parts) {
    const header = new Uint8Array(12);
    new DataView(header.buffer).setBigUint64(4, BigInt(this.#nonce));
    return concat(header, await this.keys.send.seal(this.#nonce++, concat(this.keys.prefix.send, header), concat(...parts)));
  }
}

/** A session whose other end is raw. @param {ManualRuntime} runtime */
async function raw(runtime) {
  const [us, them] = [await anyIdentity(), await anyIdentity()];
  const tag = new Uint8Array(8).fill(9);
  const [one, two] = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)];
  const end = new RawEnd({
    send: await Aead.import(two.slice()), receive: await Aead.import(one.slice()),
    prefix: { send: concat(Uint8Array.of(1, 2), them.id, us.id, tag), receive: concat(Uint8Array.of(1, 2), us.id, them.id, tag) },
  });
  /** @type {Promise<void>} */
  let taking = Promise.resolve();
  const session = await Session.begin({
    credentials: { identity: us, staticKey: await runtime.ephemeral(), psk: new Uint8Array(32), network: null, certificate: new Uint8Array(0), runtime },
    remote: { node: them.id, certificate: null }, tag, isInitiator: true,
    outlet: { send: payload => (taking = taking.then(() => end.take(payload)), true), room: async () => {}, stalled: () => {} },
  }, { send: one.slice(), receive: two.slice(), secret: new Uint8Array(32), hash: new Uint8Array(32) });
  return { session, end };
}

test("messages of any size, in order, within the window", async () => {
  const runtime = new ManualRuntime();
  const { session, end } = await raw(runtime);
  const channel = session.openChannel("echo", "page");
  const long = new Uint8Array(300_000).map((_, i) => i);
  const sending = Promise.all([channel.send(fromText("first")), channel.send(long), channel.send(new Uint8Array(0)), channel.send(fromText("last"))]);
  await settle();
  const sent = () => end.frames.filter(frame => frame.type === frames.types.data);
  const size = () => sent().reduce((sum, frame) => sum + frame.body.length, 0);
  assert.ok(size() <= 65_536 && size() > 60_000, `before it is accepted: ${size()}`);
  let next = 0;
  const ack = () => frames.ack(end.frames.filter(frame => frames.isSequenced(frame)).length, []);
  await session.receive(await end.segment(ack(), frames.number(frames.accept(0, 100_000), next++)));
  await settle();
  assert.ok(size() <= 100_000 && size() > 95_000, `at the window: ${size()}`);
  await session.receive(await end.segment(ack(), frames.number(frames.window(0, 10_000_000), next++)));
  await settle();
  await sending;
  const messages = [];
  let parts = [];
  for (const frame of sent()) {
    parts.push(frame.body);
    if (frame.endsMessage) {
      messages.push(concat(...parts));
      parts = [];
    }
  }
  assert.deepEqual(messages.map(message => message.length), [5, 300_000, 0, 4]);
  assert.deepEqual(messages[1], long);
  assert.deepEqual(end.frames.filter(frame => frames.isSequenced(frame) && frame.type !== frames.types.checkpoint).map(frame => frame.sequence).every((sequence, i, all) => i === 0 || sequence > all[i - 1]), true);
  assert.equal(end.frames.filter(frame => frame.type === frames.types.checkpoint).length, Math.floor((sent().length + 1) / 64) || 0);
  await session.end(0, "", false);
});

test("what comes early is held, what comes again is dropped, and acks say so", async () => {
  const runtime = new ManualRuntime();
  const { session, end } = await raw(runtime);
  const channel = session.openChannel("echo", "page");
  await settle();
  const segments = [frames.accept(0, 1_000_000), frames.data(0, false, fromText("a")), frames.data(0, true, fromText("b")), frames.data(0, true, fromText("c"))];
  const at = (/** @type {number} */ i) => end.segment(frames.number(segments[i].slice(), i));
  await session.receive(await at(3));
  await session.receive(await at(1));
  await session.receive(await at(3));
  await settle();
  const ack = end.frames.filter(frame => frame.type === frames.types.ack).at(-1);
  assert.equal(ack?.sequence, 0);
  assert.deepEqual(ack?.ranges, [{ first: 1, length: 1 }, { first: 3, length: 1 }]);
  await session.receive(await at(0));
  await session.receive(await at(2));
  assert.equal(toText(/** @type {Bytes} */ (await channel.read())), "ab");
  assert.equal(toText(/** @type {Bytes} */ (await channel.read())), "c");
  assert.equal(session.error, null);
  await session.end(0, "", false);
});

/** What breaks the protocol ends the session with goodbye 4. @type {[string, () => Bytes[]][]} */
const violations = [
  ["an unknown frame", () => [Uint8Array.of(0x77)]],
  ["an unknown sequenced frame", () => [frames.number(concat(Uint8Array.of(0x40), new Uint8Array(12)), 0)]],
  ["a frame cut short", () => [Uint8Array.of(0x12, 0, 0)]],
  ["an ack of what was never sent", () => [frames.ack(99, [])]],
  ["ranges without a gap", () => [frames.ack(0, [{ first: 0, length: 1 }])]],
  ["an empty range", () => [frames.ack(0, [{ first: 1, length: 0 }])]],
  ["data on a channel of nobody", () => [frames.number(frames.data(4, true, fromText("x")), 0)]],
  ["an open of a channel that is ours", () => [frames.number(frames.open(6, 1, "a", "b"), 0)]],
  ["channels that go backwards", () => [frames.number(frames.open(3, 1, "a", "b"), 0), frames.number(frames.open(1, 1, "a", "b"), 1)]],
  ["data beyond the window", () => Array.from({ length: 70 }, (_, i) => frames.number(frames.data(0, true, new Uint8Array(16_000)), i))],
  ["a rekey message out of turn", () => [frames.number(frames.rekey(2, new Uint8Array(300)), 0)]],
  ["a checkpoint over nothing", () => [frames.number(frames.checkpoint(new Uint8Array(90)), 0)]],
  ["a checkpoint that nobody signed", () => [frames.number(frames.open(1, 1, "a", "b"), 0), frames.number(frames.checkpoint(concat(new Uint8Array(16), Uint8Array.of(0, 1), new Uint8Array(72))), 1)]],
  ["text that is no UTF-8", () => [Uint8Array.of(4, 0, 0, 1, 0xff)]],
];

for (const [what, make] of violations) {
  test(`${what} ends the session`, async () => {
    const runtime = new ManualRuntime();
    const { session, end } = await raw(runtime);
    const channel = session.openChannel("echo", "page");
    await settle();
    for (const frame of make()) {
      await session.receive(await end.segment(frame));
    }
    await settle();
    assert.equal(session.error?.code, "protocol", session.error?.message);
    assert.equal(channel.isOver, true);
    const goodbye = end.frames.at(-1);
    assert.equal(goodbye?.type, frames.types.goodbye);
    assert.equal(goodbye?.code, 4);
    assert.equal(end.frames.at(-2)?.type, frames.types.checkpoint, "what was unsigned is signed with the goodbye");
    assert.equal(runtime.timers, 0);
  });
}

test("frames that stay without a checkpoint end the session, but for those of a path that was down", async () => {
  const runtime = new ManualRuntime();
  const { session, end } = await raw(runtime);
  session.openChannel("echo", "page");
  await settle();
  await session.receive(await end.segment(frames.ack(1, []), frames.number(frames.accept(0, 1_000), 0)));
  await runtime.advance(20_000);
  assert.equal(session.isHealthy, false);
  assert.equal(`${session.error}`, "null", "silence is held against nobody");
  for (let i = 0; i < 8; i++) {
    await session.receive(await end.segment(frames.ping(new Uint8Array(8))));
    await runtime.advance(900);
  }
  assert.equal(session.error?.code, "protocol");
});

test("a session that nobody acknowledges, knows or reaches is given up in time", async () => {
  for (const [what, act, after] of /** @type {const} */ ([
    ["no ack", () => {}, 30_000],
    ["no such session", (/** @type {Session} */ session) => session.doubt(), 3_000],
    ["no path", (/** @type {Session} */ session) => session.onNoPath(), 30_000],
  ])) {
    const runtime = new ManualRuntime();
    const { session } = await raw(runtime);
    session.openChannel("echo", "page");
    await settle();
    act(session);
    await runtime.advance(after - 1_500);
    assert.ok(session.isHealthy || session.error === null, what);
    await runtime.advance(3_000);
    assert.equal(session.error?.code, "lost", what);
    assert.equal(runtime.timers, 0, what);
  }
});

test("an idle session ends itself with a goodbye", async () => {
  const runtime = new ManualRuntime();
  const { session, end } = await raw(runtime);
  await runtime.advance(601_500);
  assert.equal(session.error?.code, "closed");
  assert.equal(end.frames.at(-1)?.type, frames.types.goodbye);
});

test("in a page that nobody sees nothing waits for a timer", async () => {
  const runtime = new ManualRuntime();
  runtime.hidden = true;
  const { session, end } = await raw(runtime);
  session.openChannel("echo", "page");
  await settle();
  assert.deepEqual(end.frames.map(frame => frame.type), [frames.types.ping, frames.types.open, frames.types.checkpoint]);
  await session.receive(await end.segment(frames.number(frames.accept(0, 1_000), 0)));
  await settle();
  assert.equal(end.frames.at(-1)?.type, frames.types.ack);
  await session.end(0, "", false);
});

test("the replay window takes each nonce once, and none that is too old", () => {
  for (let seed = 1; seed <= 20; seed++) {
    const next = random(seed);
    const window = new ReplayWindow();
    const taken = new Set();
    let top = -1;
    for (let i = 0; i < 20_000; i++) {
      const nonce = Math.max(0, top + Math.floor(next() * (next() < 0.01 ? 40_000 : 64)) - Math.floor(next() * (next() < 0.05 ? 20_000 : 60)));
      assert.equal(window.isFresh(nonce), !taken.has(nonce) && nonce > top - ReplayWindow.size);
      if (window.isFresh(nonce)) {
        window.take(nonce);
        taken.add(nonce);
        top = Math.max(top, nonce);
      }
    }
  }
});

test("HKDF's first vector (RFC 5869, A.1)", async () => {
  const okm = await hkdf(Uint8Array.from({ length: 13 }, (_, i) => i), new Uint8Array(22).fill(0x0b), Uint8Array.from({ length: 10 }, (_, i) => 0xf0 + i), 42);
  assert.equal(Buffer.from(okm).toString("hex"), "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865");
});
