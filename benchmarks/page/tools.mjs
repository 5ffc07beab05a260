// An MCP server over stdio with as many tools as are asked for: `node tools.mjs 2000`. Each has a form of some size.
import { createInterface } from "node:readline";

const count = Number(process.argv[2] ?? 2000);
const inputSchema = {
  type: "object",
  properties: {
    title: { type: "string", description: "What it is called.", minLength: 1, maxLength: 80 },
    kind: { enum: ["small", "medium", "large"], default: "small" },
    count: { type: "integer", minimum: 0, maximum: 100 },
    due: { type: "string", format: "date" },
    tags: { type: "array", items: { type: "string" }, maxItems: 8 },
    place: { type: "object", properties: { street: { type: "string" }, city: { type: "string" } }, required: ["city"] },
  },
  required: ["title"],
};
const tools = Array.from({ length: count }, (_, index) => ({ name: `tool-${String(index).padStart(4, "0")}`, description: `Does what number ${index} does, and nothing else.`, inputSchema }));

/** @type {Record<string, (params: any) => unknown>} */
const methods = {
  "initialize": params => ({ protocolVersion: params.protocolVersion, capabilities: { tools: {} }, serverInfo: { name: "many", title: "Many tools", version: "1.0" } }),
  "ping": () => ({}),
  "tools/list": params => {
    const from = Number(params?.cursor ?? 0);
    return { tools: tools.slice(from, from + 500), ...from + 500 < tools.length ? { nextCursor: String(from + 500) } : {} };
  },
  "tools/call": params => ({ content: [{ type: "text", text: `${params.name} done` }] }),
};

for await (const line of createInterface({ input: process.stdin })) {
  const { id, method, params } = JSON.parse(line);
  if (id !== undefined) {
    const known = methods[method];
    console.log(JSON.stringify({ jsonrpc: "2.0", id, ...known === undefined ? { error: { code: -32601, message: `There is no ${method}.` } } : { result: known(params) } }));
  }
}
