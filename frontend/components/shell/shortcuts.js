// Keys for those who like them. All of them together can be switched off (WCAG 2.1.4), and none takes Tab.
import { t } from "../../i18n/index.js";
import { toggleTools } from "./header.js";

/** @typedef {{ keys: string, describe: () => string, matches: (event: KeyboardEvent) => boolean, run: () => void }} Shortcut */

/**
 * @param {import("../../state/state.js").State} state
 * @param {{ openHelp: () => void, openPalette: () => void, focusSearch: () => void, focusComposer: () => void, toEnd: () => void }} actions
 * @returns {Shortcut[]}
 */
export function shortcuts(state, actions) {
  const control = (/** @type {string} */ key) => (/** @type {KeyboardEvent} */ event) => (event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey && event.key.toLowerCase() === key;
  const alt = (/** @type {string} */ key) => (/** @type {KeyboardEvent} */ event) => event.altKey && !event.ctrlKey && !event.metaKey && event.key === key;
  const plain = (/** @type {string} */ key) => (/** @type {KeyboardEvent} */ event) => event.key === key && !event.ctrlKey && !event.metaKey && !event.altKey && !isTyping(event);
  return [
    { keys: "Ctrl K", describe: () => t("app.key-palette"), matches: control("k"), run: actions.openPalette },
    { keys: "/", describe: () => t("app.key-compose"), matches: plain("/"), run: actions.focusComposer },
    { keys: "Ctrl Shift F", describe: () => t("app.key-search"), matches: event => (event.ctrlKey || event.metaKey) && event.shiftKey && event.key.toLowerCase() === "f", run: actions.focusSearch },
    { keys: "Alt ↓", describe: () => t("app.key-next"), matches: alt("ArrowDown"), run: () => step(1) },
    { keys: "Alt ↑", describe: () => t("app.key-previous"), matches: alt("ArrowUp"), run: () => step(-1) },
    { keys: "Alt End", describe: () => t("app.key-end"), matches: alt("End"), run: actions.toEnd },
    { keys: "Ctrl .", describe: () => t("app.key-tools"), matches: control("."), run: () => toggleTools(state) },
    { keys: "?", describe: () => t("app.key-help"), matches: plain("?"), run: actions.openHelp },
  ];

  /** @param {number} by */
  function step(by) {
    const addresses = [...document.querySelectorAll(".agent")].map(element => /** @type {HTMLElement} */ (element).dataset.address ?? "");
    const at = addresses.indexOf(state.conversations.current.value?.id ?? "");
    const next = addresses[(at + by + addresses.length) % addresses.length];
    if (next !== undefined) {
      state.open(next);
    }
  }
}

/** @param {import("../../state/state.js").State} state @param {Shortcut[]} all @param {AbortSignal} until */
export function listenForShortcuts(state, all, until) {
  addEventListener("keydown", event => {
    const shortcut = state.settings.value.shortcuts && !event.isComposing && document.querySelector("dialog[open]") === null ? all.find(one => one.matches(event)) : undefined;
    if (shortcut !== undefined) {
      event.preventDefault();
      shortcut.run();
    }
  }, { signal: until });
}

/** @param {KeyboardEvent} event */
const isTyping = event => event.target instanceof HTMLElement && (event.target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName));
