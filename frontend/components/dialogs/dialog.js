// Questions to the person, one at a time, in the order in which they were asked.
import { t } from "../../i18n/index.js";
import { h, uniqueId } from "../dom.js";

/**
 * @template T
 * @typedef {object} Question
 * @property {string} title
 * @property {{ title: string, address: string } | null} [asker] Who asks; null where it is the page itself.
 * @property {(answer: (value: T) => void) => { body: (Node | null)[], buttons: HTMLElement[], first?: () => void }} build
 * @property {T} dismissed What closing it without an answer means.
 * @property {AbortSignal} [signal] Takes the question back.
 * @property {string} [kind] For `data-kind`.
 */

// An agent that asks without end is refused by its connection first; this bounds many agents together.
const maxWaiting = 100;
let waiting = 0;
/** @type {Promise<unknown>} */
let last = Promise.resolve();

/**
 * Shows a question when its turn comes.
 * @template T @param {Question<T>} question @returns {Promise<T>}
 * @throws {RangeError} Too many questions wait already.
 */
export async function ask(question) {
  if (waiting >= maxWaiting) {
    throw new RangeError("Too many questions wait for an answer.");
  }
  waiting++;
  const before = last;
  const mine = before.then(() => question.signal?.aborted ? question.dismissed : show(question));
  last = mine.catch(() => {}); // whoever asked is told; those who wait go on
  try {
    return await mine;
  } finally {
    waiting--;
  }
}

/** @template T @param {Question<T>} question @returns {Promise<T>} */
function show({ title, asker, build, dismissed, signal, kind }) {
  return new Promise(resolve => {
    const heading = uniqueId("dialog");
    const answer = (/** @type {T} */ value) => {
      signal?.removeEventListener("abort", onAbort);
      dialog.close();
      dialog.remove();
      resolve(value);
    };
    const onAbort = () => answer(dismissed);
    const { body, buttons, first } = build(answer);
    const dialog = h("dialog", { class: "dawn-dialog", "aria-labelledby": heading, "data-kind": kind, "data-testid": "dialog", oncancel: (/** @type {Event} */ event) => { event.preventDefault(); answer(dismissed); } },
      h("h2", { id: heading }, title),
      asker ? h("p", { class: "dialog-asker" }, `${t("tools.ask.by")} `, h("strong", { dir: "auto" }, asker.title), h("code", { dir: "ltr" }, asker.address)) : null,
      h("div", { class: "dialog-body" }, body),
      waiting > 1 ? h("p", { class: "field-hint" }, t("tools.ask.more", { count: waiting - 1 })) : null,
      h("div", { class: "dialog-buttons" }, buttons));
    document.body.append(dialog);
    signal?.addEventListener("abort", onAbort, { once: true });
    dialog.showModal();
    first?.();
  });
}

/** A button of a dialog. @param {string} label @param {() => void} act @param {string} [style] @param {string} [action] */
export const button = (label, act, style = "", action) => h("button", { type: "button", class: `field-button ${style}`, onclick: act, "data-action": action }, label);

/** Words of others: as they are, never as markup, and no longer than a person reads. @param {unknown} value */
export const words = value => h("p", { class: "dialog-words", dir: "auto" }, typeof value === "string" ? value.slice(0, 20_000) : "");

/** Whether to go on. @param {{ title: string, text: string, details?: Node, action: string, isDangerous?: boolean, signal?: AbortSignal }} question @returns {Promise<boolean>} */
export const confirm = ({ title, text, details, action, isDangerous = false, signal }) => ask({
  title, signal, dismissed: false, kind: "confirm",
  build: answer => {
    const no = button(t("tools.ask.cancel"), () => answer(false), "", "cancel");
    return { body: [words(text), details ?? null], buttons: [no, button(action, () => answer(true), isDangerous ? "button-danger" : "button-primary", "confirm")], first: () => no.focus() };
  },
});
