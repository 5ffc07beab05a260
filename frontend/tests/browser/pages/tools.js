// A browser of tools before an agent that has everything.
import "../../../components/tools/browser.js";
import { McpError } from "../../../services/mcp.js";
import { fakeAgent } from "./fakeAgent.js";

/** @type {import("../../../services/node.js").AgentEntry} */
export const entry = { address: "dii6etw2iwkqiemptf2l2qqnj4gy52636bjslkd2ubdd7qigoakq:first", node: "dii6etw2iwkqiemptf2l2qqnj4gy52636bjslkd2ubdd7qigoakq", agent: "first", title: "First steps", tools: [], online: true, isHome: true };

const pixel = "iVBORw0KGgoAAAANSUhEUgAAAAoAAAAKCAYAAACNMs+9AAAAFUlEQVR42mNk+M9Qz0AEYBxVSF+FABJADveWkH6oAAAAAElFTkSuQmCC";

/** @param {number} [many] */
export function show(many = 0) {
  let read = 0;
  const state = { tools: [
    { name: "echo", title: "Echo", description: "Says it again.\nAll of it.", inputSchema: { type: "object", required: ["message"], properties: { message: { type: "string", description: "What to say." } } }, annotations: { readOnlyHint: true } },
    { name: "everything", description: "Answers with one of each.", inputSchema: { type: "object" } },
    { name: "table", description: "A list of rows.", inputSchema: { type: "object" } },
    { name: "slow", title: "Slow", description: "Takes its time.", inputSchema: { type: "object", properties: { steps: { type: "integer", default: 3 } } } },
    { name: "wipe", title: "Wipe", description: "Deletes all.", inputSchema: { type: "object", properties: { what: { type: "string", default: "disk" } } }, annotations: { readOnlyHint: false, destructiveHint: true } },
    { name: "fail", description: "Says no.", inputSchema: { type: "object" } },
    { name: "unknown", description: "Is lost on the way.", inputSchema: { type: "object" } },
    ...Array.from({ length: many }, (_, index) => ({ name: `tool_${index}`, title: `Tool ${index}`, description: `Number ${index} of many.`, inputSchema: { type: "object", properties: Object.fromEntries(Array.from({ length: 12 }, (_, at) => [`field_${at}`, at % 3 === 0 ? { type: "integer", default: at } : { type: "string", description: `Field ${at} of tool ${index}.` }])) } })),
  ] };
  /** @type {() => void} */
  let step = () => {};
  const agent = fakeAgent({
    "tools/list": () => ({ tools: state.tools }),
    "prompts/list": () => ({ prompts: [{ name: "trip", title: "Plan a trip", arguments: [{ name: "city", description: "Where to.", required: true }, { name: "season" }] }] }),
    "resources/list": () => ({ resources: [{ uri: "clock://now", name: "Clock", mimeType: "application/json", size: 2_048 }, { uri: "picture://dot", name: "Dot", mimeType: "image/png" }] }),
    "resources/templates/list": () => ({ resourceTemplates: [{ uriTemplate: "file:///{city}{?page}", name: "Files", description: "By city." }] }),
    "resources/read": ({ uri }) => uri === "picture://dot" ? { contents: [{ uri, mimeType: "image/png", blob: pixel }] } : { contents: [{ uri, mimeType: "application/json", text: JSON.stringify({ reads: ++read, uri }) }] },
    "resources/subscribe": () => ({}),
    "resources/unsubscribe": () => ({}),
    "completion/complete": ({ ref, argument }) => ({ completion: { values: ["Basel", "Bern", "Biel"].filter(city => argument.name === "city" && city.startsWith(argument.value)).map(city => ref.type === "ref/prompt" ? city : city.toLowerCase()) } }),
    "prompts/get": params => ({ description: "A plan.", messages: [{ role: "user", content: { type: "text", text: `Plan ${params.arguments.city}.` } }, { role: "assistant", content: { type: "text", text: "Gladly." } }] }),
    "tools/call": async ({ name, arguments: args, _meta }, { notify, cancelled }) => {
      switch (name) {
        case "echo": return { content: [{ type: "text", text: args.message }] };
        case "everything": return { content: [
          { type: "text", text: "Some **text**\n<script>alert(1)</script>" }, { type: "image", data: pixel, mimeType: "image/png" }, { type: "audio", data: "UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAIA+AAACABAAZGF0YQAAAAA=", mimeType: "audio/wav" },
          { type: "resource", resource: { uri: "file:///a.js", mimeType: "text/javascript", text: "const a = 1;" } }, { type: "resource", resource: { uri: "file:///b.zip", mimeType: "application/zip", blob: "AAAA" } },
          { type: "resource_link", uri: "clock://now", name: "Clock", description: "The time." }, { type: "hologram", depth: 3 },
        ] };
        case "table": return { structuredContent: { rows: Array.from({ length: 3 }, (_, index) => ({ id: index, name: `Row ${index}`, tags: ["a", { b: [1, 2] }], ok: index % 2 === 0, none: null })) }, content: [{ type: "text", text: '{"rows":[]}' }] };
        case "slow": {
          for (let at = 1; at <= args.steps; at++) {
            notify("notifications/progress", { progressToken: _meta?.progressToken, progress: at, total: args.steps, message: `Step ${at} of ${args.steps}` });
            const isCancelled = await Promise.race([new Promise(resolve => { step = () => resolve(false); }), cancelled.then(() => true)]);
            if (isCancelled) {
              return {};
            }
          }
          return { content: [{ type: "text", text: "At last." }] };
        }
        case "fail": return { isError: true, content: [{ type: "text", text: "I won't." }] };
        case "unknown": throw new McpError(-32000, "The node was lost.", { dawn: "outcome-unknown" });
        default: return { content: [{ type: "text", text: `${name} ${JSON.stringify(args)}` }] };
      }
    },
  });
  const browser = /** @type {import("../../../components/tools/browser.js").DawnToolBrowser} */ (document.createElement("dawn-tool-browser"));
  /** @type {any[]} */
  const results = [];
  browser.addEventListener("dawn-result", event => results.push(/** @type {CustomEvent} */ (event).detail));
  browser.connect = (_, options) => agent.connect(options);
  document.querySelector("main")?.append(browser);
  browser.agent = entry;
  Object.assign(window, { browser, agent, results, state, step: () => step() });
}
