// Slash commands: the page's own, and every tool of the agent.
import { languages, t } from "../../i18n/index.js";
import { readArguments } from "../../state/arguments.js";

/** @typedef {import("../../state/state.js").State} State */
/** @typedef {{ name: string, describe: () => string, run: (text: string) => void | Promise<void> }} Command */

/**
 * @param {State} state
 * @param {{ openHelp: () => void, openPalette: () => void, openSearch: (text: string) => void, exportAs: (format: string) => Promise<void> }} actions
 * @returns {Command[]}
 */
export function ownCommands(state, actions) {
  const current = () => state.conversations.current.value;
  return [
    { name: "help", describe: () => t("chat.command-help"), run: actions.openHelp },
    {
      name: "clear", describe: () => t("chat.command-clear"), run: async () => {
        const conversation = current();
        await (conversation === null ? undefined : state.conversations.clear(conversation));
      },
    },
    { name: "export", describe: () => t("chat.command-export"), run: text => actions.exportAs(text.trim() === "json" ? "json" : "markdown") },
    { name: "search", describe: () => t("chat.command-search"), run: text => actions.openSearch(text.trim()) },
    {
      name: "agent", describe: () => t("chat.command-agent"), run: text => {
        const [found] = state.agents.named(text.trim());
        found === undefined ? note(state, t("chat.no-such-agent", { name: text.trim() })) : state.open(found.address);
      },
    },
    { name: "tools", describe: () => t("chat.command-tools"), run: () => showTools(state) },
    { name: "theme", describe: () => t("chat.command-theme"), run: text => state.prefer({ theme: text.includes("dark") ? "dark" : text.includes("light") ? "light" : "auto" }) },
    { name: "language", describe: () => t("chat.command-language", { all: Object.keys(languages).join(", ") }), run: text => state.prefer({ language: text.trim() || navigator.language }) },
    { name: "retry", describe: () => t("chat.command-retry"), run: () => state.node.retry() },
  ];
}

/** A line that nobody sent. @param {State} state @param {string} text */
export const note = (state, text) => state.conversations.current.value?.add({ from: "note", kind: "note", text, status: "done" });

/**
 * Runs what was typed after a slash. A tool of the same name as a command is called by two slashes.
 * @param {State} state @param {Command[]} commands @param {string} line Without the first slash.
 */
export async function runCommand(state, commands, line) {
  const [, name, rest] = /^(\S*)\s*([\s\S]*)$/.exec(line) ?? ["", "", ""];
  const command = commands.find(one => one.name === name);
  if (command !== undefined) {
    await command.run(rest);
    return;
  }
  const conversation = state.conversations.current.value;
  if (conversation === null) {
    return;
  }
  const wanted = name.replace(/^\//, "");
  let schema;
  if (state.status.value.state === "online") {
    try {
      const tool = (await state.agents.tools(conversation.id)).find(one => one.name === wanted);
      if (tool === undefined) {
        note(state, t("chat.no-such-command", { name: wanted, agent: conversation.summary.title }));
        return;
      }
      schema = tool.inputSchema;
    } catch (error) {
      note(state, error instanceof Error ? error.message : String(error));
      return;
    }
  }
  let args;
  try {
    args = readArguments(schema, rest);
  } catch {
    note(state, t("chat.bad-arguments", { name: wanted }));
    return;
  }
  await state.delivery.call(conversation, wanted, args);
}

/** @param {State} state */
async function showTools(state) {
  const conversation = state.conversations.current.value;
  if (conversation === null) {
    return;
  }
  try {
    const tools = await state.agents.tools(conversation.id);
    note(state, tools.length === 0 ? t("chat.no-tools") : tools.map(tool => `- \`/${tool.name}\` ${tool.description ?? tool.title ?? ""}`).join("\n"));
  } catch (error) {
    note(state, error instanceof Error ? error.message : String(error));
  }
}
