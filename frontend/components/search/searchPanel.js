// Search in all that was said, as it is kept here.
import { language, t } from "../../i18n/index.js";
import { brief } from "../../state/conversations.js";
import { fill, h } from "../dom.js";
import { icon } from "../icons.js";
import { dayName } from "../chat/message.js";

const most = 100;
const pause = 150;

/** @param {import("../../state/state.js").State} state @param {(conversation: string, number: number) => void} reveal */
export function searchPanel(state, reveal) {
  let turn = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const box = h("input", { type: "search", "data-testid": "search", "aria-label": t("chat.search"), placeholder: t("chat.search"), autocomplete: "off", oninput: () => later(), onfocus: () => box.value !== "" && open() });
  const field = h("div", { class: "search-field", role: "search" }, icon("search"), box);
  const agent = h("select", { "aria-label": t("chat.filter-agent"), onchange: () => later() });
  const kind = h("select", { "aria-label": t("chat.filter-kind"), onchange: () => later() }, ["", "text", "tool", "file", "note"].map(name => h("option", { value: name }, t(`chat.kind-${name || "all"}`))));
  const from = h("input", { type: "date", "aria-label": t("chat.filter-from"), onchange: () => later() });
  const to = h("input", { type: "date", "aria-label": t("chat.filter-to"), onchange: () => later() });
  const summary = h("p", { class: "quiet", role: "status" });
  const results = h("ul", { class: "results", "data-testid": "results" });
  const panel = h("section", { class: "search-panel", hidden: true, "aria-label": t("chat.search-results") },
    h("div", { class: "filters" }, agent, kind, h("label", {}, t("chat.filter-from"), from), h("label", {}, t("chat.filter-to"), to),
      h("button", { type: "button", class: "icon-button", "aria-label": t("app.close"), onclick: () => close() }, icon("close"))), summary, results);
  for (const element of [field, panel]) {
    element.addEventListener("keydown", event => {
      if (event.key === "Escape") {
        close();
      }
    });
  }
  return { field, panel, open: (/** @type {string} */ text) => { box.value = text; box.focus(); open(); later(); } };

  function open() {
    if (panel.hidden) {
      const chosen = agent.value;
      fill(agent, h("option", { value: "" }, t("chat.kind-all-agents")), state.conversations.all.filter(one => one.summary.lastAt > 0).map(one => h("option", { value: one.id }, one.summary.title)));
      agent.value = chosen;
      panel.hidden = false;
    }
  }

  function close() {
    panel.hidden = true;
    box.value = "";
    turn++;
  }

  function later() {
    clearTimeout(timer);
    timer = setTimeout(() => void show().catch(error => console.error(error)), pause);
  }

  async function show() {
    const text = box.value.trim();
    const filter = { text, agent: agent.value, kind: kind.value, from: from.valueAsNumber ? startOf(from.value) : -Infinity, to: to.valueAsNumber ? startOf(to.value) + 86_400_000 : Infinity };
    if (text === "" && filter.agent === "" && filter.kind === "" && filter.from === -Infinity && filter.to === Infinity) {
      panel.hidden = box !== document.activeElement || panel.hidden;
      fill(results);
      fill(summary, t("chat.search-how"));
      return;
    }
    open();
    const mine = ++turn;
    const found = await state.conversations.search(filter, most + 1);
    if (mine !== turn) {
      return;
    }
    fill(summary, found.length === 0 ? t("chat.search-nothing") : found.length > most ? t("chat.search-many", { count: most }) : t("chat.search-found", { count: found.length }));
    fill(results, found.slice(0, most).map(message => h("li", {}, h("button", { type: "button", onclick: () => { close(); reveal(message.conversation, message.number); } },
      h("span", { class: "result-head" }, h("strong", {}, message.from === "me" ? t("chat.you") : state.conversations.find(message.conversation)?.summary.title ?? ""), " ",
        h("time", { datetime: new Date(message.at).toISOString() }, `${dayName(message.at)}, ${new Date(message.at).toLocaleTimeString(language.value, { hour: "2-digit", minute: "2-digit" })}`)),
      h("span", { class: "result-text" }, marked(excerpt(message, text), text))))));
  }
}

/** The place where the words are. @param {import("../../state/messages.js").Message} message @param {string} words */
function excerpt(message, words) {
  const written = message.text.replace(/\s+/g, " ");
  // Without its marks, where the words are there all the same.
  const read = written.replace(/[`*_#>|]|:?-{3,}:?/g, "").replace(/ +/g, " ");
  const text = message.kind === "call" ? `/${message.tool} ${JSON.stringify(message.args ?? {})}` : (read.toLowerCase().includes(words.toLowerCase()) ? read : written) || brief(message) || (message.files ?? []).map(file => file.name).join(", ");
  const at = text.toLowerCase().indexOf(words.toLowerCase());
  const begin = Math.max(0, at - 60);
  return `${begin > 0 ? "…" : ""}${text.slice(begin, begin + 220)}`;
}

/** @param {string} text @param {string} words */
function marked(text, words) {
  const at = words === "" ? -1 : text.toLowerCase().indexOf(words.toLowerCase());
  return at < 0 ? text : [text.slice(0, at), h("mark", {}, text.slice(at, at + words.length)), text.slice(at + words.length)];
}

/** The beginning of a day here, not in Greenwich. @param {string} date */
const startOf = date => new Date(`${date}T00:00:00`).getTime();
