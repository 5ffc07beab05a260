// Tabs after the ARIA Authoring Practices: one stop for Tab, arrows between them, chosen as they are reached.
import { h, uniqueId } from "../dom.js";

/** @param {string} label @param {readonly { name: string, title: string }[]} tabs @param {(name: string) => void} choose */
export function tabList(label, tabs, choose) {
  const panel = uniqueId("panel");
  const buttons = tabs.map(({ name, title }) => h("button", { type: "button", role: "tab", class: "tab", id: uniqueId("tab"), "data-tab": name, "aria-controls": panel, onclick: () => choose(name) }, h("span", {}, title), h("span", { class: "tab-count" })));
  const element = h("div", { class: "tabs", role: "tablist", "aria-label": label, onkeydown: (/** @type {KeyboardEvent} */ event) => {
    const at = buttons.findIndex(button => button === event.target);
    const step = getComputedStyle(element).direction === "rtl" ? -1 : 1;
    /** @type {Record<string, number>} */
    const targets = { ArrowRight: at + step, ArrowLeft: at - step, Home: 0, End: buttons.length - 1 };
    if (at >= 0 && Object.hasOwn(targets, event.key)) {
      event.preventDefault();
      const button = buttons[(targets[event.key] + buttons.length) % buttons.length];
      button.focus();
      choose(button.dataset.tab ?? "");
    }
  } }, buttons);
  return {
    element, panel,
    /** @param {string} name */
    mark: name => buttons.forEach(button => {
      const isChosen = button.dataset.tab === name;
      button.setAttribute("aria-selected", String(isChosen));
      button.tabIndex = isChosen ? 0 : -1;
    }),
    /** @param {string} name @param {number} count */
    count: (name, count) => {
      const button = buttons.find(button => button.dataset.tab === name);
      if (button?.lastElementChild) {
        button.lastElementChild.textContent = count > 0 ? ` ${count}` : "";
      }
    },
    /** @param {string} name */
    id: name => buttons.find(button => button.dataset.tab === name)?.id ?? "",
  };
}
