// What the page can do: keys, commands, and how programs connect.
import { t } from "../../i18n/index.js";
import { h } from "../dom.js";
import { openDialog } from "./dialog.js";
import { connectPrograms } from "./ticketPage.js";

/** @param {import("../../state/state.js").State} state @param {import("./shortcuts.js").Shortcut[]} shortcuts @param {import("../chat/commands.js").Command[]} commands */
export function openHelp(state, shortcuts, commands) {
  const off = h("input", { type: "checkbox", "data-testid": "shortcuts", checked: state.settings.value.shortcuts, onchange: () => state.prefer({ shortcuts: off.checked }) });
  openDialog(t("app.help"), [
    h("section", {}, h("h3", {}, t("app.help-talk")), h("p", {}, t("app.help-talk-how"))),
    h("section", {}, h("h3", {}, t("app.help-commands")), h("dl", { class: "keys" },
      h("div", {}, h("dt", {}, h("code", {}, "/tool …")), h("dd", {}, t("app.help-tool"))),
      h("div", {}, h("dt", {}, h("code", {}, "@agent …")), h("dd", {}, t("app.help-mention"))),
      commands.map(command => h("div", {}, h("dt", {}, h("code", {}, `/${command.name}`)), h("dd", {}, command.describe()))))),
    h("section", {}, h("h3", {}, t("app.help-keys")), h("label", { class: "check" }, off, t("app.help-keys-on")),
      h("dl", { class: "keys" }, shortcuts.map(({ keys, describe }) => h("div", {}, h("dt", {}, keys.split(" ").map(key => h("kbd", {}, key))), h("dd", {}, describe()))))),
    h("section", {}, h("h3", {}, t("app.connect-programs")), connectPrograms()),
    h("section", {}, h("h3", {}, t("app.help-page")), h("p", { class: "quiet" }, t("app.help-identity"), " ", h("code", {}, state.node.id))),
  ], { className: "sheet", testId: "help" });
}
