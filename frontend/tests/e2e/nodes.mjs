// Real nodes of the built program, each with a data directory of its own. None outlives the tests, however they end.
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const program = fileURLToPath(new URL("../../../artifacts/dawn/Release/dawn", import.meta.url));
// A machine under load may be slow; a hang must still end.
const patience = 60_000;
const keptLog = 40_000;

/** @type {Set<import("node:child_process").ChildProcess>} */
const running = new Set();
const folder = mkdtempSync(join(tmpdir(), "dawn-page-"));
process.on("exit", () => {
  running.forEach(child => child.kill("SIGKILL"));
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
});
for (const signal of /** @type {const} */ (["SIGINT", "SIGTERM", "SIGHUP"])) {
  process.on(signal, () => process.exit(130));
}

/** @param {string} name */
export const dataDirectory = name => mkdtempSync(join(folder, `${name}-`));

// No node meets another by accident, and none has agents that a test did not ask for.
const quiet = {
  "Listen:0": "", "Gateway:Url": "", "Network:Name": "orchard", "Network:Secret": "6f726368".repeat(8), "Plugins:discovery-mdns:Enabled": "false",
  "Plugins:assistant:Enabled": "false", "Plugins:first:Enabled": "false", "Plugins:machine:Enabled": "false", "Plugins:text:Enabled": "false",
};

/** A running node. */
export class DawnNode {
  #child;
  #log = "";
  id = "";
  /** The page, with a ticket. */
  ui = "";
  mcp = "";
  listen = "";

  /** @param {string} data @param {import("node:child_process").ChildProcess} child */
  constructor(data, child) {
    this.data = data;
    this.#child = child;
    child.stderr?.on("data", text => { this.#log = (this.#log + text).slice(-keptLog); });
  }

  /**
   * Starts one and waits until it is ready.
   * @param {Record<string, string | number | boolean>} settings Below `Dawn:`. @param {string} [data]
   */
  static async start(settings, data = dataDirectory("node")) {
    if (!existsSync(program)) {
      throw new Error(`There is no ${program}; build it: dotnet build host -c Release`);
    }
    const child = spawn(program, ["run", "--data", data, ...Object.entries({ ...quiet, ...settings }).map(([key, value]) => `--Dawn:${key}=${value}`)], { stdio: ["ignore", "pipe", "pipe"], cwd: data });
    running.add(child);
    child.on("exit", () => running.delete(child));
    const node = new DawnNode(data, child);
    await node.#whenReady();
    return node;
  }

  get log() {
    return this.#log;
  }

  /** What others put into `Bootstrap`. */
  get at() {
    return `${this.listen}#${this.id}`;
  }

  /** The page's origin. */
  get origin() {
    return new URL(this.mcp).origin;
  }

  /** Ends it as `kill` does, or as a power cut. @param {"SIGTERM" | "SIGKILL"} [signal] */
  async stop(signal = "SIGTERM") {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const gone = once(this.#child, "exit");
      this.#child.kill(signal);
      const timer = setTimeout(() => this.#child.kill("SIGKILL"), 15_000);
      await gone;
      clearTimeout(timer);
    }
  }

  /** `dawn …` against this node: what it prints. @param {...string} args @returns {Promise<string>} */
  cli(...args) {
    return new Promise((resolve, reject) => execFile(program, [...args, "--data", this.data], { timeout: patience, killSignal: "SIGKILL" }, (error, out, err) => error === null ? resolve(out.trim()) : reject(new Error(`dawn ${args.join(" ")}: ${err || error.message}`))));
  }

  /** A tool's structured result, over this node's gateway; of its agent `node` as its owner. @param {string} agent @param {string} tool @param {Record<string, unknown>} [args] @returns {Promise<any>} */
  async call(agent, tool, args = {}) {
    const url = `${this.mcp}/${agent}`;
    /** @type {Record<string, string>} */
    const headers = { "content-type": "application/json", accept: "application/json, text/event-stream", "MCP-Protocol-Version": "2025-11-25", ...(agent === "node" ? { authorization: `Bearer ${readFileSync(join(this.data, "owner.token"), "utf8").trim()}` } : {}) };
    const post = async (/** @type {any} */ message) => {
      const response = await fetch(url, { method: "POST", headers, body: JSON.stringify({ jsonrpc: "2.0", ...message }), signal: AbortSignal.timeout(patience) });
      headers["mcp-session-id"] ??= response.headers.get("mcp-session-id") ?? "";
      const body = await response.text();
      const replies = body.split("\n").map(line => line.replace(/^data: ?/, "")).filter(line => line.startsWith("{")).map(line => JSON.parse(line));
      return replies.find(reply => reply.id === message.id);
    };
    await post({ id: 1, method: "initialize", params: { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "tests", version: "1" } } });
    await post({ method: "notifications/initialized" });
    const reply = await post({ id: 2, method: "tools/call", params: { name: tool, arguments: args } });
    await fetch(url, { method: "DELETE", headers });
    if (reply?.result === undefined || reply.result.isError) {
      throw new Error(`${agent}.${tool}: ${JSON.stringify(reply)}`);
    }
    return reply.result.structuredContent;
  }

  /** A metric's value, of all its labels together; 0 where it was never counted. @param {string} name */
  async metric(name) {
    const text = await (await fetch(`${this.origin}/metrics`)).text();
    return [...text.matchAll(new RegExp(`^${name}(?:\\{[^}]*\\})? ([0-9.e+]+)`, "gm"))].reduce((sum, [, value]) => sum + Number(value), 0);
  }

  async #whenReady() {
    let out = "";
    const ready = new Promise((resolve, reject) => {
      this.#child.stdout?.on("data", text => {
        out += text;
        const line = /^ready (\{.*\})$/m.exec(out);
        if (line !== null) {
          resolve(JSON.parse(line[1]));
        }
      });
      this.#child.on("error", reject);
      this.#child.on("exit", code => reject(new Error(`The node ended with ${code} before it was ready: ${this.#log}`)));
      setTimeout(() => reject(new Error(`The node was not ready in ${patience / 1_000} s: ${this.#log}`)), patience).unref();
    });
    const { node, ui, mcp, listen } = await ready;
    [this.id, this.ui, this.mcp, this.listen] = [node, ui ?? "", mcp ?? "", listen[0] ?? ""];
    this.#child.stdout?.resume();
  }
}

/** Asks until it holds: what is awaited crosses processes, so there is nothing to wait on but its effect. @param {string} what @param {() => Promise<unknown>} holds */
export async function eventually(what, holds) {
  for (const end = Date.now() + patience; !await holds();) {
    if (Date.now() > end) {
      throw new Error(`not within ${patience / 1_000} s: ${what}`);
    }
    await new Promise(resolve => setTimeout(resolve, 50));
  }
}
