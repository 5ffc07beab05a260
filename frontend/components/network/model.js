// The network as this page and its home node know it: nodes, and how they hang together.

/** @typedef {import("../../services/node.js").NodeEntry} NodeEntry */
/** @typedef {import("../../services/node.js").AgentEntry} AgentEntry */
/** @typedef {{ node: string, address: string, direction: string, encryption: string, rttMs: number | null }} LinkFact */
/** @typedef {{ node: string, state: string, addresses: string[], transport: string | null, encryption: string | null, rttMs: number | null }} PeerFact */
/** @typedef {{ target: string, nextHop: string | null, kind: string, rttMs: number | null }} RouteFact */
/** @typedef {{ status?: any, links?: LinkFact[], peers?: PeerFact[], routes?: RouteFact[], plugins?: any[] }} Facts */

/**
 * @typedef {object} GraphNode
 * @property {string} id
 * @property {"self" | "home" | "node"} kind
 * @property {"online" | "offline" | "connected" | "known" | "suspect" | "dead" | "conflict"} state
 * @property {string} role
 * @property {string} mode Of the home node; of others it is not told.
 * @property {string} encryption What the node itself asks for, empty where unknown.
 * @property {string[]} addresses
 * @property {AgentEntry[]} agents
 * @property {GraphLink | null} link How the home node (of the home node: this page) reaches it.
 */

/** @typedef {{ from: string, to: string, kind: "link" | "route", transport: string, encryption: string, rttMs: number | null }} GraphLink */

/**
 * @param {{ self: string, home: string | null, isOnline: boolean, roundTrip: number | null, sessions: { node: string, roundTrip: number | null }[], transport: string, nodes: NodeEntry[], agents: AgentEntry[] }} page
 * @param {Facts} facts
 * @returns {{ nodes: GraphNode[], links: GraphLink[] }}
 */
export function networkOf(page, facts) {
  const entries = new Map(page.nodes.map(one => [one.node, one]));
  const peers = new Map((facts.peers ?? []).map(one => [one.node, one]));
  // A browser that was closed is nobody to look for, though its record and ways to it are kept for a while.
  const isClosed = (/** @type {string} */ id) => entries.get(id)?.role === "browser" && id !== page.self && !(peers.has(id) ? peers.get(id)?.state !== "dead" : entries.get(id)?.online);
  /** @type {GraphLink[]} */
  const links = [];
  if (page.home !== null && page.isOnline) {
    links.push({ from: page.self, to: page.home, kind: "link", transport: page.transport, encryption: "sealed", rttMs: page.roundTrip });
  }
  const home = page.home ?? page.self;
  const linked = new Set([page.self]);
  for (const link of facts.links ?? []) {
    if (!linked.has(link.node)) {
      linked.add(link.node);
      links.push({ from: home, to: link.node, kind: "link", transport: link.address.split(":")[0], encryption: link.encryption, rttMs: link.rttMs });
    }
  }
  // End to end, as the page itself measures it; nobody else can tell it for sure.
  const sessions = new Map((page.isOnline ? page.sessions : []).map(session => [session.node, session]));
  for (const route of facts.routes ?? []) {
    if (route.kind !== "none" && route.nextHop !== null && route.nextHop !== route.target && !linked.has(route.target) && route.target !== home && !isClosed(route.target)) {
      linked.add(route.target);
      const session = sessions.get(route.target);
      links.push({ from: route.nextHop, to: route.target, kind: "route", transport: "", encryption: session === undefined ? "" : "sealed", rttMs: session?.roundTrip ?? route.rttMs });
    }
  }
  // What the home node passes on for this page is no way of its own.
  for (const { node, roundTrip } of sessions.values()) {
    if (!linked.has(node) && node !== home) {
      linked.add(node);
      links.push({ from: home, to: node, kind: "route", transport: "", encryption: "sealed", rttMs: roundTrip });
    }
  }
  const ids = [...new Set([page.self, ...(page.home === null ? [] : [page.home]), ...[...entries.keys(), ...peers.keys()].filter(id => !isClosed(id)), ...links.flatMap(link => [link.from, link.to])])];
  const nodes = ids.map(id => {
    const [entry, peer] = [entries.get(id), peers.get(id)];
    const isSelf = id === page.self;
    return /** @type {GraphNode} */ ({
      id, kind: isSelf ? "self" : id === page.home ? "home" : "node",
      // Whom the home node merely knows it has no link with; whether that one is there, the network's own word says.
      state: isSelf || id === page.home ? page.isOnline ? "online" : "offline" : peer !== undefined && !(peer.state === "known" && entry?.online) ? peer.state : entry?.online ? "online" : "offline",
      role: entry?.role ?? "", mode: id === page.home ? String(facts.status?.mode ?? "") : "", encryption: id === page.home ? String(facts.status?.encryption ?? entry?.encryption ?? "") : entry?.encryption ?? "",
      addresses: [...new Set([...(entry?.addresses ?? []), ...(peer?.addresses ?? [])])], agents: page.agents.filter(agent => agent.node === id),
      link: links.find(link => link.to === id) ?? (isSelf ? links.find(link => link.from === id) ?? null : null),
    });
  });
  return { nodes, links };
}

/** Whether a node can be talked to now. @param {GraphNode} node */
export const isUp = node => ["online", "connected"].includes(node.state) || (node.state === "known" && node.link !== null);
