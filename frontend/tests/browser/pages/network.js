// A network of six nodes, before a home node that tells of them.
import "../../../components/network/network.js";
import { memoryStore } from "../../../services/store.js";
import { fakeAgent } from "./fakeAgent.js";

/** NodeIds of RFC 8032's test keys and of nothing else. */
export const ids = ["25nqdamcwefmgx4aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "dii6etw2iwkqiemptf2l2qqnj4gy52636bjslkd2ubdd7qigoakq", "z7cgt6n7xpf3bibndiwhby2cm4bmmkachwjm3oluff3j4eiqxxmq", "wcvzcp2aq5vpn7kxkx5lk3t4mmw3qyjyd3ibbhfgxqbnbexqbkiq", "k5y6ro6l4ucnkbfoo2ygjmvmrtsb5d7zvo4fktcaqyxwh4ckdyqa", "qqaz5gq6e2cnr3nqc3ybqtdk5gqvbmcmqyzq3ixglbrx6vxkzyqa"];

/** @param {{ isOwner?: boolean, many?: number }} [options] */
export async function show({ isOwner = false, many = 0 } = {}) {
  const [self, home, anna, bert, carl, dora] = ids;
  const more = Array.from({ length: many }, (_, index) => String(index).padStart(4, "a").replace(/\d/g, digit => "abcdefghij"[Number(digit)]).padEnd(52, "q"));
  /** @type {Record<string, any>} */
  const facts = {
    status: { node: home, network: "home", version: "0.1.0", mode: "hybrid", encryption: "required", uptimeSeconds: 4, listen: [], mcp: null, agents: 4, peersConnected: 2, peersKnown: 5, sessions: 1, problems: [{ name: "broken", problem: "command 'no-such-program' was not found" }] },
    links: { links: [{ node: self, address: "ws://127.0.0.1:1", direction: "in", encryption: "sealed", rttMs: 0.7, epoch: 0 }, { node: anna, address: "tcp://192.0.2.7:7611", direction: "out", encryption: "sealed", rttMs: 12.3, epoch: 1 }, { node: bert, address: "ws://192.0.2.8:7610", direction: "in", encryption: "clear", rttMs: 3.2, epoch: 0 }] },
    peers: { peers: [{ node: anna, state: "connected", addresses: ["tcp://192.0.2.7:7611"], transport: "tcp", encryption: "sealed", rttMs: 12.3 }, { node: bert, state: "connected", addresses: ["ws://192.0.2.8:7610"], transport: "ws", encryption: "clear", rttMs: 3.2 }, { node: carl, state: "known", addresses: [], transport: null, encryption: null, rttMs: null }, { node: dora, state: "dead", addresses: ["ws://192.0.2.9:7610"], transport: null, encryption: null, rttMs: null }, ...more.map(node => ({ node, state: "known", addresses: [], transport: null, encryption: null, rttMs: null }))] },
    routes: { routes: [{ target: carl, nextHop: anna, kind: "relay", rttMs: 30 }] },
    plugins: { plugins: [{ name: "transport-websocket", kind: "transport", status: "active", version: "0.1.0" }, { name: "agents/empty", kind: "agent", status: "failed", version: null, problem: "There is no plugin DLL in the folder." }] },
  };
  const tool = (/** @type {string} */ name) => ({ name, inputSchema: { type: "object" } });
  const agent = fakeAgent({
    "tools/list": () => ({ tools: ["id", "status", "trace", ...(isOwner ? ["invite"] : [])].map(tool) }),
    "resources/list": () => ({ resources: [] }),
    "resources/subscribe": () => ({}),
    "resources/read": ({ uri }) => ({ contents: [{ uri, mimeType: "application/json", text: JSON.stringify(facts[uri.slice(12)]) }] }),
    "tools/call": ({ name, arguments: args }) => name === "invite"
      ? { structuredContent: { ticket: `dawn1${"a".repeat(180)}`, role: args.role, uses: args.uses, expires: "2030-01-01T00:00:00Z" }, content: [] }
      : { structuredContent: { target: args.address, mode: "hybrid", path: [{ hop: 1, node: anna, rttMs: 12 }, { hop: 2, node: carl, rttMs: 30 }], complete: true, via: "relay", encryption: "sealed", sessionRttMs: 30 }, content: [] },
  }, { tools: {}, resources: { subscribe: true } });

  class FakeNode extends EventTarget {
    id = self;
    roundTrip = 0.7;
    /** @type {any} */
    status = { state: "online", node: self, home, network: "home", error: null, retryAt: null, certificateEnds: null };
    entries = [home, anna, bert, carl, dora].map((node, index) => ({ node, role: /** @type {"member"} */ ("member"), online: node !== dora, isHome: node === home, isSelf: false, encryption: node === bert ? "Optional" : "Required", addresses: [`ws://192.0.2.${index + 5}:7610`], agents: node === home ? 1 : 0 }));
    connections() { return { link: null, sessions: [{ node: carl, epoch: 0, roundTrip: 31 }] }; }
    nodes() { return this.entries; }
    agents() { return [{ address: `${home}:first`, node: home, agent: "first", title: "First steps", tools: ["echo"], online: true, isHome: true }]; }
  }
  const node = new FakeNode();
  const store = memoryStore();
  const view = /** @type {import("../../../components/network/network.js").DawnNetwork} */ (document.createElement("dawn-network"));
  /** @type {string[]} */
  const opened = [];
  view.addEventListener("dawn-open-agent", event => opened.push(/** @type {CustomEvent} */ (event).detail));
  view.store = store;
  view.connect = (_, options) => agent.connect(options);
  view.node = node;
  document.querySelector("main")?.append(view);
  Object.assign(window, { view, node, agent, facts, opened, store, ids });
}
