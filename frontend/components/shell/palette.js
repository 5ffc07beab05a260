// Everything by its name: agents, the tools of the one that is open, and commands (WAI-ARIA APG, combobox with a listbox).
import { t } from "../../i18n/index.js";
import { fill, h, uniqueId } from "../dom.js";
import { openDialog } from "./dialog.js";

/** @typedef {{ group: string, label: string, detail: string, also?: string, run: () => void }} Entry `also`: found by it, and not shown. */

const most = 60;

/** @param {import("../../state/state.js").State} state @param {import("../chat/commands.js").Command[]} commands @param {(text: string) => void} insert Puts text into the composer. */
export function openPalette(state, commands, insert) {
  const id = uniqueId("palette");
  const list = h("div", { role: "listbox", id, class: "palette-list", "aria-label": t("app.palette") });
  const box = h("input", { type: "text", role: "combobox", "aria-expanded": "true", "aria-controls": id, "aria-autocomplete": "list", "aria-label": t("app.palette"), placeholder: t("app.palette-how"), autocomplete: "off", "data-testid": "palette" });
  const dialog = openDialog(t("app.palette"), [box, list], { className: "palette", hideTitle: true });
  const conversation = state.conversations.current.value;
  /** @type {Entry[]} */
  let all = [
    ...state.agents.all.value.map(agent => ({ group: t("app.agents"), label: agent.title || agent.agent, detail: t("chat.on-node", { node: agent.node.slice(0, 8) }), also: agent.address, run: () => state.open(agent.address) })),
    ...commands.map(command => ({ group: t("app.commands"), label: `/${command.name}`, detail: command.describe(), run: () => ["export", "search", "agent", "theme", "language"].includes(command.name) ? insert(`/${command.name} `) : void command.run("") })),
  ];
  /** @type {Entry[]} */
  let found = [];
  let chosen = 0;
  const show = () => {
    const words = box.value.toLowerCase().split(/\s+/).filter(word => word !== "");
    found = all.filter(entry => words.every(word => `${entry.label} ${entry.detail} ${entry.also ?? ""}`.toLowerCase().includes(word))).slice(0, most);
    chosen = Math.max(0, Math.min(chosen, found.length - 1));
    fill(list, found.map((entry, index) => h("div", { role: "option", id: `${id}-${index}`, "aria-selected": index === chosen ? "true" : "false", onclick: () => run(index) },
      h("span", { class: "group" }, entry.group), h("strong", {}, entry.label), h("span", { class: "entry-detail" }, entry.detail))), found.length === 0 ? h("p", { class: "nothing" }, t("app.palette-nothing")) : null);
    box.setAttribute("aria-activedescendant", found.length === 0 ? "" : `${id}-${chosen}`);
    list.querySelector("[aria-selected=true]")?.scrollIntoView({ block: "nearest" });
  };
  box.addEventListener("input", () => { chosen = 0; show(); });
  box.addEventListener("keydown", event => {
    const step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
    if (step !== 0 && found.length > 0) {
      event.preventDefault();
      chosen = (chosen + step + found.length) % found.length;
      show();
    } else if (event.key === "Enter" && !event.isComposing) {
      event.preventDefault();
      run(chosen);
    }
  });
  show();
  box.focus();
  if (conversation !== null && state.status.value.state === "online") {
    void state.agents.tools(conversation.id).then(tools => {
      all = [...tools.map(tool => ({ group: conversation.summary.title, label: `/${tool.name}`, detail: tool.title ?? tool.description ?? "", run: () => insert(`/${tool.name} `) })), ...all];
      show();
    }, () => {}); // an agent that is away has no tools to offer

  }

  /** @param {number} index */
  function run(index) {
    const entry = found[index];
    dialog.close();
    entry?.run();
  }
}
