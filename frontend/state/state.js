// What the page shows beside conversations: how the network stands, what is open, and what the person prefers.
import { Signal } from "./signal.js";

/** @typedef {import("../services/node.js").LightNode} LightNode */
/** @typedef {{ mode: string, peers: number, version: string }} NetworkState */
/** @typedef {{ theme: "auto" | "light" | "dark", shortcuts: boolean, language: string, tools: boolean }} Settings */

const key = "dawn.settings";
const between = 15_000;

export class State {
  /** @type {Signal<import("../services/home.js").Status>} */
  status;
  /** What the home node says of the network; null until it has. @type {Signal<NetworkState | null>} */
  network = new Signal(/** @type {NetworkState | null} */ (null));
  /** The drawer that is open where there is no room for three columns. @type {Signal<"agents" | "tools" | null>} */
  drawer = new Signal(/** @type {"agents" | "tools" | null} */ (null));
  /** @type {Signal<Settings>} */
  settings;

  /**
   * @param {LightNode} node @param {import("./agents.js").Agents} agents @param {import("./conversations.js").Conversations} conversations
   * @param {import("./delivery.js").Delivery} delivery
   */
  constructor(node, agents, conversations, delivery) {
    this.node = node;
    this.agents = agents;
    this.conversations = conversations;
    this.delivery = delivery;
    this.status = new Signal(node.status);
    this.settings = new Signal(readSettings());
    node.addEventListener("status", () => {
      this.status.value = node.status;
    });
    this.status.follow(status => status.state === "online" && void this.#ask());
    setInterval(() => document.visibilityState === "visible" && void this.#ask(), between);
  }

  /** @param {Partial<Settings>} change */
  prefer(change) {
    this.settings.value = { ...this.settings.value, ...change };
    try {
      localStorage.setItem(key, JSON.stringify(this.settings.value));
    } catch {
      // A browser that keeps nothing forgets them with the page, which harms nobody.
    }
  }

  /** Opens the conversation with an agent. @param {string} address */
  open(address) {
    const agent = this.agents.find(address);
    this.conversations.open(this.conversations.get(address, agent?.title ?? ""));
    this.drawer.value = null;
  }

  // The mode and the peers are the home node's to tell; a page has one link, and no routing. So is who went before the page came: records outlive their nodes.
  async #ask() {
    const { home, state } = this.status.value;
    if (state !== "online" || home === null) {
      return;
    }
    try {
      const client = await this.agents.client(`${home}:node`);
      const [{ structuredContent: status }, { structuredContent: known }] = await Promise.all(["status", "peers"].map(tool => client.callTool(tool, {}, { timeout: 10_000 })));
      if (typeof status?.mode === "string") {
        this.network.value = { mode: status.mode, peers: Number(status.peersConnected ?? 0), version: String(status.version ?? "") };
      }
      if (Array.isArray(known?.peers)) {
        this.node.hearOf(known.peers);
      }
    } catch {
      // Not allowed, or the link went: what is known stays shown, and the next round asks again.
    }
  }
}

/** @returns {Settings} */
export function readSettings() {
  /** @type {Settings} */
  const settings = { theme: "auto", shortcuts: true, language: navigator.language, tools: true };
  try {
    const kept = JSON.parse(localStorage.getItem(key) ?? "{}");
    return {
      theme: ["auto", "light", "dark"].includes(kept.theme) ? kept.theme : settings.theme,
      shortcuts: typeof kept.shortcuts === "boolean" ? kept.shortcuts : settings.shortcuts,
      language: typeof kept.language === "string" ? kept.language : settings.language,
      tools: typeof kept.tools === "boolean" ? kept.tools : settings.tools,
    };
  } catch {
    return settings; // kept by nobody, or not by this page
  }
}
