// The types in the comments hold: what `npm run types` checks.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

test("the types hold", { timeout: 120_000 }, () => {
  const root = fileURLToPath(new URL("../", import.meta.url));
  const { stdout, status } = spawnSync("npx", ["--no-install", "tsc", "-p", "."], { cwd: root, encoding: "utf8", shell: process.platform === "win32" });
  assert.equal(status, 0, stdout);
});
