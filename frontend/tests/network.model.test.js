import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { fromHex } from "../services/bytes.js";
import { nodeText } from "../services/identity.js";
import { memoryStore } from "../services/store.js";
import { groupsOf, wordsOf, wordsOfText } from "../components/network/fingerprint.js";
import { layout, maxDrawn } from "../components/network/layout.js";
import { isUp, networkOf } from "../components/network/model.js";
import { Verifications } from "../components/network/verification.js";
import { wordList } from "../components/network/wordList.js";

test("There are 256 words that differ in their first four letters and by three letters at least", () => {
  assert.equal(wordList.length, 256);
  assert.equal(new Set(wordList.map(word => word.slice(0, 4))).size, 256);
  const distance = (/** @type {string} */ a, /** @type {string} */ b) => {
    let row = Array.from({ length: b.length + 1 }, (_, index) => index);
    for (let i = 1; i <= a.length; i++) {
      row = row.reduce((/** @type {number[]} */ next, above, j) => [...next, j === 0 ? i : Math.min(above + 1, next[j - 1] + 1, row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1))], []);
    }
    return row[b.length];
  };
  for (const [index, word] of wordList.entries()) {
    assert.ok(wordList.slice(index + 1).every(other => distance(word, other) >= 3), word);
  }
});

test("The words of a key are the same everywhere and always", async () => {
  // What the program makes of the same keys is tested with the same file.
  const vectors = /** @type {{ node: string, words: string }[]} */ (JSON.parse(await readFile(new URL("../../tests/fixtures/key-words.json", import.meta.url), "utf8")));
  assert.equal(vectors.length, 4);
  for (const { node, words } of vectors) {
    assert.deepEqual(await wordsOf(fromHex(node)), words.split(" "));
  }
  const id = fromHex(vectors[0].node); // RFC 8032, test 1
  const words = await wordsOf(id);
  assert.equal(words.length, 12);
  assert.deepEqual(words, await wordsOfText(nodeText(id)));
  const other = id.slice();
  other[31] ^= 1;
  assert.ok((await wordsOf(other)).filter((word, index) => word === words[index]).length <= 2);
  assert.deepEqual(await wordsOfText("no node"), []);
  assert.equal(groupsOf(nodeText(id)).join(""), nodeText(id));
});

const [anna, bert, carl] = ["a", "b", "c"].map(letter => letter.repeat(52));

test("A key is unverified, verified, or another than was compared at its place", async () => {
  const store = memoryStore();
  const keys = new Verifications(store);
  const off = () => false;
  const place = ["ws://192.0.2.1:7610"];
  assert.deepEqual(keys.trust({ node: anna, places: place }, off), { state: "unverified" });
  await keys.verify({ node: anna, places: place }, "Anna", 1_000, off);
  assert.equal(keys.trust({ node: anna, places: [] }, off).state, "verified");
  assert.equal(keys.trust({ node: bert, places: ["ws://192.0.2.2:7610"] }, off).state, "unverified");
  const changed = keys.trust({ node: bert, places: place }, off);
  assert.ok(changed.state === "changed" && changed.by.node === anna && changed.by.name === "Anna");
  assert.equal(keys.trust({ node: bert, places: place }, node => node === anna).state, "unverified", "who is there still has not changed");

  const again = new Verifications(store);
  await again.load();
  await again.verify({ node: bert, places: place }, "", 2_000, off);
  assert.equal(again.trust({ node: bert, places: place }, off).state, "verified");
  assert.equal(again.trust({ node: anna, places: place }, off).state, "changed", "the old key is no longer the compared one");
  await again.forget(bert);
  assert.equal(again.trust({ node: anna, places: place }, off).state, "unverified");
});

test("The network: this page at its home, neighbours by links, others by routes", () => {
  const page = {
    self: anna, home: bert, isOnline: true, roundTrip: 1.5, transport: "ws", sessions: [{ node: bert, roundTrip: 1 }, { node: "d".repeat(52), roundTrip: 8 }, { node: "e".repeat(52), roundTrip: null }],
    nodes: [{ node: bert, role: /** @type {any} */ ("member"), online: true, isHome: true, isSelf: false, encryption: "required", addresses: ["ws://b"], agents: 1 }], agents: [],
  };
  const dora = "d".repeat(52);
  const { nodes, links } = networkOf(page, {
    status: { mode: "hybrid", encryption: "required" },
    links: [{ node: anna, address: "ws://page", direction: "in", encryption: "sealed", rttMs: 2 }, { node: carl, address: "tcp://c:1", direction: "out", encryption: "clear", rttMs: 3 }],
    peers: [{ node: carl, state: "connected", addresses: ["tcp://c:1"], transport: "tcp", encryption: "clear", rttMs: 3 }, { node: dora, state: "known", addresses: [], transport: null, encryption: null, rttMs: null }],
    routes: [{ target: dora, nextHop: carl, kind: "relay", rttMs: 9 }, { target: "f".repeat(52), nextHop: carl, kind: "found", rttMs: 7 }, { target: carl, nextHop: carl, kind: "direct", rttMs: 3 }],
  });
  assert.deepEqual(links.map(link => [link.from[0], link.to[0], link.kind, link.transport, link.encryption, link.rttMs]), [["a", "b", "link", "ws", "sealed", 1.5], ["b", "c", "link", "tcp", "clear", 3], ["c", "d", "route", "", "sealed", 8], ["c", "f", "route", "", "", 7], ["b", "e", "route", "", "sealed", null]]);
  assert.deepEqual(nodes.map(node => [node.id[0], node.kind, node.state, node.mode, isUp(node)]), [["a", "self", "online", "", true], ["b", "home", "online", "hybrid", true], ["c", "node", "connected", "", true], ["d", "node", "known", "", true], ["f", "node", "offline", "", false], ["e", "node", "offline", "", false]]);
  assert.equal(networkOf({ ...page, home: null, isOnline: false, nodes: [] }, {}).nodes.length, 1);
});

test("A layout keeps within its area and its bounds, apart, and is the same each time", () => {
  const nodes = Array.from({ length: maxDrawn + 30 }, (_, index) => ({ id: `n${index}`, isCentre: index === 0 }));
  const links = nodes.slice(1).map(({ id }, index) => ({ from: `n${Math.floor(index / 3)}`, to: id }));
  const area = { width: 800, height: 500, margin: 30 };
  const places = layout(nodes, links, area);
  assert.equal(places.size, maxDrawn);
  assert.deepEqual([...places], [...layout(nodes, links, area)]);
  const points = [...places.values()];
  assert.ok(points.every(({ x, y }) => x >= 30 && x <= 770 && y >= 30 && y <= 470));
  assert.deepEqual(points[0], { x: 400, y: 250 });
  const small = [...layout(nodes.slice(0, 6), links, area).values()];
  assert.ok(small.every((a, i) => small.slice(i + 1).every(b => Math.hypot(a.x - b.x, a.y - b.y) > 60)));
  assert.equal(layout([], [], area).size, 0);
  assert.equal(new Set([...layout([{ id: "a" }, { id: "b" }], [], area, new Map([["a", { x: 5, y: 5 }], ["b", { x: 5, y: 5 }]])).values()].map(p => `${p.x} ${p.y}`)).size, 2);
});
