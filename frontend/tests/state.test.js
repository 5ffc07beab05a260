// The page's reckoning: heights of rows that are not there, arguments as people type them, what a search finds.
import assert from "node:assert/strict";
import { test } from "node:test";
import { readArguments } from "../state/arguments.js";
import { fits } from "../state/conversations.js";
import { Heights } from "../state/heights.js";

test("heights agree with plain sums, whatever is set and added", () => {
  let seed = 7;
  const random = (/** @type {number} */ below) => {
    seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31;
    return seed % below;
  };
  const heights = new Heights();
  /** @type {number[]} */
  let plain = [];
  for (let round = 0; round < 40; round++) {
    if (round % 13 === 0) {
      plain = Array.from({ length: random(1_500) }, () => 1 + random(90));
      heights.reset(plain.length, index => plain[index]);
    }
    for (let step = 0; step < 200; step++) {
      const height = 1 + random(90);
      if (step % 3 === 0 || plain.length === 0) {
        plain.push(height);
        heights.push(height);
      } else {
        const index = random(plain.length);
        plain[index] = height;
        heights.set(index, height);
      }
    }
    const total = plain.reduce((sum, one) => sum + one, 0);
    assert.equal(heights.count, plain.length);
    assert.equal(heights.total, total);
    for (let look = 0; look < 20; look++) {
      const index = random(plain.length);
      const offset = plain.slice(0, index).reduce((sum, one) => sum + one, 0);
      assert.equal(heights.offset(index), offset);
      assert.equal(heights.find(offset), index);
      assert.equal(heights.find(offset + plain[index] - 0.5), index);
    }
    assert.equal(heights.find(-5), 0);
    assert.equal(heights.find(total + 5), plain.length - 1);
  }
});

test("arguments are read as JSON, as pairs, or as the one that matters", () => {
  const schema = { properties: { dice: { type: "string" }, times: { type: "integer" }, loud: { type: "boolean" }, tags: { type: "array", items: { type: "string" } } }, required: ["dice"] };
  assert.deepEqual(readArguments(schema, ""), {});
  assert.deepEqual(readArguments(schema, " 3d6 "), { dice: "3d6" });
  assert.deepEqual(readArguments(schema, 'dice="3 d6" times=2 loud=true tags=a,b'), { dice: "3 d6", times: 2, loud: true, tags: ["a", "b"] });
  assert.deepEqual(readArguments(schema, '{"dice":"1d2"}'), { dice: "1d2" });
  assert.deepEqual(readArguments(schema, "x=1"), { dice: "x=1" }, "a sum is no pair of an argument that there isn't");
  assert.throws(() => readArguments(schema, "{dice"), SyntaxError);
});

test("a search looks at words, kind and time", () => {
  const message = /** @type {import("../state/messages.js").Message} */ ({ conversation: "a", number: 1, from: "me", kind: "call", at: 1_000, text: "", tool: "roll", args: { dice: "3d6" }, status: "received" });
  const all = { text: "", agent: "", kind: "", from: -Infinity, to: Infinity };
  assert.ok(fits(message, all));
  assert.ok(fits(message, { ...all, text: "3D6" }));
  assert.ok(fits(message, { ...all, kind: "tool", from: 1_000, to: 1_001 }));
  assert.ok(!fits(message, { ...all, kind: "text" }));
  assert.ok(!fits(message, { ...all, to: 1_000 }));
  assert.ok(!fits(message, { ...all, text: "9d9" }));
});
