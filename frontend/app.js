// The page: what it is made of, and what goes where.
import { agentList } from "./components/agents/agentList.js";
import { ChatWindow } from "./components/chat/chatWindow.js";
import { ownCommands } from "./components/chat/commands.js";
import { fill, h } from "./components/dom.js";
import { searchPanel } from "./components/search/searchPanel.js";
import { appHeader } from "./components/shell/header.js";
import { layout } from "./components/shell/layout.js";
import { listenForShortcuts, shortcuts } from "./components/shell/shortcuts.js";
import { ticketPage } from "./components/shell/ticketPage.js";
import { toolsPanel } from "./components/shell/toolsPanel.js";
import { language, t, use } from "./i18n/index.js";
import { LightNode } from "./services/node.js";
import { Storage } from "./services/storage.js";
import { ticketIn } from "./services/ticket.js";
import { Agents } from "./state/agents.js";
import { Conversations } from "./state/conversations.js";
import { Delivery } from "./state/delivery.js";
import { download, exported } from "./state/export.js";
import { State, readSettings } from "./state/state.js";

const root = /** @type {HTMLElement} */ (document.getElementById("app"));

try {
  await begin();
} catch (error) {
  console.error(error);
  fill(root, h("main", { class: "ticket-page" }, h("h1", {}, t("app.failed")), h("p", { class: "error", role: "alert" }, error instanceof Error ? error.message : String(error))));
}

async function begin() {
  const ticket = ticketIn(location.hash);
  if (location.hash !== "") {
    // A ticket is for one: it stays neither in the address bar nor in the history.
    history.replaceState(null, "", location.pathname + location.search);
  }
  await use(readSettings().language);
  const [node, storage] = await Promise.all([LightNode.open({ url: location.origin, ticket }), Storage.open()]);
  const conversations = new Conversations(storage);
  await conversations.load();
  const agents = new Agents(node, address => ({ clientInfo: { name: "dawn-web", title: "Dawn", version: "1" }, ...askingPerson({ address, title: agents.find(address)?.title || address }) }));
  const state = new State(node, agents, conversations, new Delivery(node, agents, conversations, storage));

  state.settings.follow(({ theme, language: wanted }) => {
    document.documentElement.dataset.theme = theme;
    void use(wanted).catch(error => console.error(error));
  });
  let shown = new AbortController();
  // Words are put into the page as it is built: another language builds it anew, and so does coming in.
  const build = () => {
    shown.abort();
    shown = new AbortController();
    fill(root, state.status.value.state === "ticket-needed" ? ticketPage(state, shown.signal) : chat(state, shown.signal));
  };
  let needed = state.status.value.state === "ticket-needed";
  language.follow(build);
  state.status.follow(status => {
    if (needed !== (status.state === "ticket-needed")) {
      needed = status.state === "ticket-needed";
      build();
    }
  });
  countUnread(state);
  addEventListener("online", () => node.retry());
  // The network is told that the page goes; a page that comes back from the browser's cache begins anew.
  addEventListener("pagehide", () => void node.close());
  addEventListener("pageshow", event => event.persisted && location.reload());
  if (document.querySelector('meta[name="dawn-test-hooks"][content="true"]') !== null) {
    const { seed } = await import("./state/seed.js");
    Object.assign(globalThis, { dawnTest: { seed: (/** @type {number} */ count) => seed(state, count) } });
  }
  if ("serviceWorker" in navigator && isSecureContext) {
    navigator.serviceWorker.register(/** @type {string} */ (workerUrl())).catch(error => console.warn("The page is not kept for when its node is away.", error));
  }
}

/** @param {State} state @param {AbortSignal} until */
function chat(state, until) {
  const actions = {
    openHelp: () => void import("./components/shell/helpSheet.js").then(module => module.openHelp(state, keys, commands)),
    openPalette: () => void import("./components/shell/palette.js").then(module => module.openPalette(state, commands, insert)),
    openSearch: (/** @type {string} */ text) => search.open(text),
    openNetwork: () => void import("./components/shell/networkSheet.js").then(module => module.openNetwork(state)),
    exportAs: async (/** @type {string} */ format) => {
      const conversation = state.conversations.current.value;
      if (conversation !== null) {
        await conversation.load();
        download(exported(conversation, format));
      }
    },
    focusSearch: () => search.open(""),
    focusComposer: () => window.composer.box.focus(),
    toEnd: () => window.messages.toEnd(),
  };
  const commands = ownCommands(state, actions);
  const keys = shortcuts(state, actions);
  const window = new ChatWindow(state, commands, actions, until);
  const insert = (/** @type {string} */ text) => {
    state.drawer.value = null;
    window.composer.insert(text);
  };
  const search = searchPanel(state, (id, number) => {
    state.open(id);
    const conversation = /** @type {import("./state/messages.js").Conversation} */ (state.conversations.current.value);
    void conversation.load().then(() => {
      if (!window.messages.reveal(number)) {
        // It is among the older ones, which are on their way.
        conversation.addEventListener("reset", () => window.messages.reveal(number), { once: true });
      }
    });
  });
  window.element.append(search.panel);
  listenForShortcuts(state, keys, until);
  return layout(state, {
    header: appHeader(state, { ...actions, search: search.field }, until),
    agents: agentList(state, until), chat: window.element, tools: toolsPanel(state, until),
  }, until);
}

/** What agents may ask of the person. The forms for it come with the first question. @param {{ title: string, address: string }} agent @returns {import("./services/mcp.js").McpOptions} */
function askingPerson(agent) {
  const ask = (/** @type {"elicitation/create" | "sampling/createMessage"} */ method) => async (/** @type {any} */ params, /** @type {{ signal: AbortSignal }} */ context) =>
    (await import("./components/dialogs/handlers.js")).askingPerson(agent).handlers[method](params, context);
  return { capabilities: { elicitation: { form: {}, url: {} }, sampling: {} }, handlers: { "elicitation/create": ask("elicitation/create"), "sampling/createMessage": ask("sampling/createMessage") } };
}

/** The tab's title says how much is unread. @param {State} state */
function countUnread(state) {
  const show = () => {
    const { unread } = state.conversations;
    document.title = unread > 0 ? `(${unread}) Dawn` : "Dawn";
  };
  state.conversations.addEventListener("change", show);
  show();
  document.addEventListener("visibilitychange", () => {
    const conversation = state.conversations.current.value;
    if (document.visibilityState === "visible" && conversation !== null) {
      state.conversations.read(conversation);
    }
  });
}

// Under trusted types only a policy makes an address of a script, and this one knows one address.
function workerUrl() {
  const policies = /** @type {any} */ (globalThis).trustedTypes;
  return policies === undefined ? "./worker.js" : policies.createPolicy("dawn", { createScriptURL: () => "./worker.js" }).createScriptURL("");
}
