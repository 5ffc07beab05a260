// Real nodes, as people start them, in a directory of their own. None outlives the process that started it.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const program = process.env.DAWN ?? fileURLToPath(new URL("../../artifacts/dawn/Release/dawn", import.meta.url));
const home = mkdtempSync(join(tmpdir(), "dawn-page-"));
const secret = "6461776e".repeat(8);
/** @type {Set<import("node:child_process").ChildProcess>} */
const running = new Set();

process.on("exit", () => {
  running.forEach(child => child.kill("SIGKILL"));
  rmSync(home, { recursive: true, force: true, maxRetries: 5 });
});

/**
 * @param {string} name @param {Record<string, string>} settings Below `Dawn:`.
 * @returns {Promise<{ node: string, listen: string[], ui: string, ticket: () => Promise<string> }>} What its ready line says, and how to get a fresh address of its page.
 */
export async function start(name, settings = {}) {
  const data = join(home, name);
  const all = { "Listen:0": "ws://127.0.0.1:0", "Gateway:Url": "http://127.0.0.1:0", "Plugins:discovery-mdns:Enabled": "false", ...settings };
  const child = spawn(program, ["run", "--data", data, ...Object.entries(all).map(([key, value]) => `--Dawn:${key}=${value}`)],
    { cwd: home, env: { ...process.env, Dawn__Network__Secret: secret }, stdio: ["ignore", "pipe", "pipe"] });
  running.add(child);
  let said = "";
  child.stderr.on("data", text => { said = (said + text).slice(-2000); });
  const ready = await new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`${name} was not ready after 60 s: ${said}`)), 60_000);
    child.on("exit", code => {
      running.delete(child);
      reject(new Error(`${name} ended with ${code}: ${said}`));
    });
    child.on("error", error => reject(new Error(`${program} can't be started (${error.message}); build it first: dotnet build host -c Release`)));
    createInterface({ input: child.stdout }).on("line", line => {
      if (line.startsWith("ready ")) {
        clearTimeout(late);
        resolve(JSON.parse(line.slice(6)));
      }
    });
  });
  return { ...ready, ticket: () => output(["ui", "--data", data]) };
}

/** @param {string[]} words @returns {Promise<string>} */
function output(words) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, words, { stdio: ["ignore", "pipe", "inherit"], timeout: 20_000 });
    let out = "";
    child.stdout.on("data", text => { out += text; });
    child.on("exit", code => code === 0 ? resolve(out.trim()) : reject(new Error(`dawn ${words[0]} ended with ${code}`)));
  });
}

export async function stopAll() {
  await Promise.all([...running].map(child => new Promise(resolve => {
    child.removeAllListeners("exit");
    child.on("exit", resolve);
    child.kill("SIGTERM");
  })));
  running.clear();
}
