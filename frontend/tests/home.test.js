// How a page's way into the network stands: tickets, retries, and pages that share a key.
import assert from "node:assert/strict";
import { test } from "node:test";
import { LightNode } from "../services/node.js";
import { memoryStore } from "../services/store.js";
import { ticketIn } from "../services/ticket.js";
import { Turn } from "../services/turn.js";
import { FakeSocket, ManualRuntime, Socket, epoch, hex, settle, text } from "./support.js";

/** @param {Partial<import("../services/node.js").OpenOptions>} [options] */
async function open(options = {}) {
  const runtime = new ManualRuntime();
  const node = await LightNode.open({ url: "http://127.0.0.1:7600/", store: memoryStore(), WebSocket: Socket, runtime, locks: null, ...options });
  await settle();
  return { node, runtime };
}

/** A store with C's place in the network. */
async function member() {
  const store = memoryStore();
  const { node } = await open({ store });
  await node.close();
  const { id, key } = await store.get("identity");
  assert.equal(id.length, 32);
  assert.equal(key.extractable, false, "the key never leaves WebCrypto");
  // The example's certificate is C's, and so is the NodeId that goes with it.
  await store.set("identity", { id: hex("C NodeId"), key });
  await store.set("network", { name: "home", key: hex("network public key"), psk: hex("PSK"), certificate: hex("redeemed body").slice(-122) });
  return store;
}

test("what is wrong with a ticket is told apart by code", async () => {
  for (const [ticket, code] of /** @type {const} */ ([
    [null, "ticket-needed"],
    ["dawn1abc", "ticket-malformed"],
    [text("ticket").slice(0, 40), "ticket-malformed"],
  ])) {
    const { node } = await open({ ticket });
    assert.deepEqual([node.status.state, node.status.error?.code], ["ticket-needed", code]);
    await assert.rejects(node.connect("echo"), { code, outcome: "not-executed" });
    await node.close();
  }
  const late = new ManualRuntime(epoch + 7_200_000);
  const { node } = await open({ ticket: text("ticket"), runtime: late });
  assert.equal(node.status.error?.code, "ticket-expired");
  await node.close();
  assert.equal(late.timers, 0);
});

test("the ticket is what follows the #, if it is one", () => {
  assert.equal(ticketIn("#dawn1abc"), "dawn1abc");
  assert.equal(ticketIn("#settings"), null);
  assert.equal(ticketIn(""), null);
});

test("a member tries again, later and later, and at once when told", async () => {
  const { node, runtime } = await open({ store: await member() });
  let attempts = 0;
  /** @type {number[]} */
  const pauses = [];
  for (let i = 0; i < 12; i++) {
    assert.equal(FakeSocket.made[0].url, "ws://127.0.0.1:7600/link");
    FakeSocket.made[0].close();
    attempts++;
    await settle();
    assert.deepEqual([node.status.state, node.status.error?.code], ["offline", "no-connection"]);
    const pause = /** @type {number} */ (node.status.retryAt) - runtime.now();
    pauses.push(pause);
    const before = FakeSocket.made.length;
    await runtime.advance(pause + 1);
    assert.equal(FakeSocket.made.length, before + 1);
  }
  assert.ok(pauses[0] <= 1_000 && pauses.every(pause => pause <= 30_000) && /** @type {number} */ (pauses.at(-1)) >= 15_000, pauses.join());
  FakeSocket.made[0].close();
  await settle();
  const before = FakeSocket.made.length;
  node.retry();
  await settle();
  assert.equal(FakeSocket.made.length, before + 1);
  await node.close();
  assert.equal(attempts, 12);
});

test("a membership that has ended asks for a ticket", async () => {
  const store = await member();
  const { node } = await open({ store, runtime: new ManualRuntime(Date.UTC(2030, 0, 2)) });
  assert.deepEqual([node.status.state, node.status.error?.code], ["ticket-needed", "certificate-expired"]);
  await node.close();
  const { node: other, runtime } = await open({ store });
  assert.equal(other.status.certificateEnds, Date.UTC(2030, 0, 2));
  FakeSocket.made[0].close();
  for (let i = 0; i < 25 * 60 && other.status.state !== "ticket-needed"; i++) {
    await runtime.advance(60_000);
    FakeSocket.made[0].close();
  }
  assert.equal(other.status.error?.code, "certificate-expired");
  await other.close();
});

test("an answer that is no node's is no reason to stop trying", async () => {
  const { node, runtime } = await open({ store: await member() });
  FakeSocket.made[0].receive(new TextEncoder().encode("HTTP/1.1 200 OK\r\n\r\n"));
  await settle();
  assert.deepEqual([node.status.state, node.status.error?.code], ["offline", "protocol"]);
  await runtime.advance(2_000);
  FakeSocket.made[0].onmessage?.({ data: "text" });
  await settle();
  assert.equal(node.status.state, "offline");
  await node.close();
});

/** The Web Locks of one browser, as far as turns need them. */
class FakeLocks {
  /** @type {{ reject: (error: Error) => void } | null} */
  #holder = null;
  /** @type {(() => void)[]} */
  #queue = [];

  /** @param {string} name @param {any} options @param {(lock: unknown) => unknown} callback @returns {Promise<unknown>} */
  request(name, options, callback) {
    return new Promise((resolve, reject) => {
      const hold = () => {
        const holder = this.#holder = { reject };
        Promise.resolve(callback({ name })).then(value => {
          if (this.#holder === holder) {
            this.#holder = null;
            this.#queue.shift()?.();
          }
          resolve(value);
        });
      };
      if (options.steal && this.#holder !== null) {
        this.#holder.reject(new Error("AbortError"));
        this.#holder = null;
      }
      if (this.#holder === null) {
        hold();
      } else if (options.ifAvailable) {
        resolve(callback(null));
      } else {
        this.#queue.push(hold);
        options.signal?.addEventListener("abort", () => {
          this.#queue = this.#queue.filter(waiting => waiting !== hold);
          reject(new Error("AbortError"));
        });
      }
    });
  }
}

test("one page at a time has the turn", async () => {
  const locks = /** @type {LockManager} */ (/** @type {unknown} */ (new FakeLocks()));
  const [one, two] = [new Turn(locks), new Turn(locks)];
  let lost = 0;
  one.onLost = () => lost++;
  assert.equal(await one.take(), true);
  assert.equal(await two.take(), false);
  const waiting = two.wait();
  one.release();
  assert.equal(await waiting, true);
  assert.equal(await one.steal(), true);
  await settle();
  assert.equal(lost, 0);
  assert.equal(await two.steal(), true);
  await settle();
  assert.equal(lost, 1);
});

test("a second page waits, takes over when told, and the first one stands aside", async () => {
  const locks = /** @type {LockManager} */ (/** @type {unknown} */ (new FakeLocks()));
  const store = await member();
  const { node: one } = await open({ store, locks });
  const { node: two } = await open({ store, locks });
  assert.deepEqual([one.status.state, two.status.state], ["connecting", "elsewhere"]);
  await two.takeOver();
  FakeSocket.made[0].close();
  await settle();
  assert.notEqual(two.status.state, "elsewhere");
  FakeSocket.made.forEach(socket => socket.readyState < 2 && socket.close());
  one.retry();
  await settle();
  assert.equal(one.status.state, "elsewhere");
  await two.close();
  await settle();
  assert.notEqual(one.status.state, "elsewhere");
  await one.close();
});
