// What a person does with a tool, a prompt, a resource or a template: fill in, go, and see what comes.
import { t } from "../../i18n/index.js";
import { confirm } from "../dialogs/dialog.js";
import { fill, h, oneAtATime } from "../dom.js";
import { DawnForm } from "../form/form.js";
import { Call } from "./call.js";
import { callView } from "./callView.js";
import { sizeText } from "./content.js";
import { expand, variables } from "./template.js";

/** @typedef {import("./connection.js").Connection} Connection */
/** @typedef {import("./call.js").Kind} Kind */

/**
 * @typedef {object} Surroundings
 * @property {import("../../services/node.js").AgentEntry} agent
 * @property {Connection} connection
 * @property {AbortSignal} until Another panel takes the place.
 * @property {(uri: string) => void} follow
 * @property {(call: Call) => void} onCall A call begins.
 */

/** @typedef {{ element: HTMLElement, run: (args?: Record<string, unknown>, isQuiet?: boolean) => Promise<void>, values: () => any }} Panel */

/** @param {string} title @param {string} name @param {unknown} description @param {(Node | null)[]} more */
const heading = (title, name, description, more = []) => h("header", { class: "panel-head" },
  h("h2", { tabindex: -1, dir: "auto" }, title), title === name ? null : h("code", { class: "panel-name", dir: "ltr" }, name), more,
  typeof description === "string" && description !== "" ? h("p", { class: "panel-text", dir: "auto" }, description) : null);

/** @param {Surroundings} around @param {HTMLElement} head @param {DawnForm | null} form @param {string} action @param {(args: Record<string, unknown>) => Promise<Call | null>} begin @param {Node[]} [more] @returns {Panel} */
function panel(around, head, form, action, begin, more = []) {
  const output = h("div", { class: "panel-output" });
  const go = h("button", { type: "button", class: "field-button button-primary", "data-testid": "run", onclick: () => void run() }, action);
  /** @type {Call | null} */
  let current = null;
  /** @param {Record<string, unknown>} [args] @param {boolean} [isQuiet] Nobody asked for it: it is shown, and not kept. */
  async function run(args, isQuiet = false) {
    if (form !== null && args !== undefined) {
      form.value = args;
    }
    if (current?.status === "running" || (form !== null && !form.check())) {
      return;
    }
    const call = await begin(form?.value ?? args ?? {});
    if (call === null || around.until.aborted) {
      return;
    }
    current = call;
    fill(output, callView(call, { follow: around.follow, until: around.until }));
    go.setAttribute("aria-disabled", "true");
    if (!isQuiet) {
      around.onCall(call);
    }
    await call.run(() => around.connection.open());
    go.removeAttribute("aria-disabled");
  }
  form?.addEventListener("keydown", event => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      void run();
    }
  });
  return { run, values: () => form?.value, element: h("div", { class: "panel" }, h("div", { class: "panel-input" }, head, form, h("div", { class: "panel-actions" }, go, more)), output) };
}

/** @param {any} schema @param {import("../form/editor.js").Context["complete"]} complete @param {any} values */
function formOf(schema, complete, values) {
  const form = new DawnForm();
  form.complete = complete;
  form.schema = schema;
  if (values !== undefined) {
    form.value = values;
  }
  return form;
}

/** @param {any} tool @param {Surroundings} around @param {any} values What was filled in before. */
export function toolPanel(tool, around, values) {
  const hints = tool.annotations ?? {};
  // By the protocol a tool that changes something destroys, unless it says otherwise; one that says nothing at all is not asked about each time.
  const isDestructive = hints.readOnlyHint !== true && (hints.destructiveHint === true || (hints.readOnlyHint === false && hints.destructiveHint !== false));
  /** @param {string} key @param {string} style */
  const badge = (key, style) => h("li", { class: `badge ${style}` }, t(`tools.hint.${key}`));
  const badges = [
    hints.readOnlyHint === true ? badge("readOnly", "badge-ok") : null, isDestructive ? badge("destructive", "badge-danger") : null,
    hints.idempotentHint === true && hints.readOnlyHint !== true ? badge("idempotent", "") : null, hints.openWorldHint === true ? badge("openWorld", "") : null,
  ].filter(one => one !== null);
  const head = heading(tool.title ?? hints.title ?? tool.name, tool.name, tool.description, [badges.length === 0 ? null : h("ul", { class: "badges", "aria-label": t("tools.hints") }, badges)]);
  return panel(around, head, formOf(tool.inputSchema, null, values), t("tools.call.run"), async args => {
    const isAllowed = !isDestructive || await confirm({
      title: t("tools.confirm.title", { name: tool.title ?? tool.name }), text: t("tools.confirm.text", { agent: around.agent.title || around.agent.address }), action: t("tools.call.run"), isDangerous: true, signal: around.until,
      details: h("pre", { class: "confirm-arguments", tabindex: 0, role: "region", "aria-label": t("tools.confirm.arguments"), dir: "ltr" }, JSON.stringify(args, null, 2).slice(0, 20_000)),
    });
    return isAllowed ? new Call(around.agent, "tool", tool.name, args) : null;
  });
}

/** @param {any} prompt @param {Surroundings} around @param {any} values */
export function promptPanel(prompt, around, values) {
  const args = Array.isArray(prompt.arguments) ? prompt.arguments : [];
  const schema = {
    type: "object", required: args.filter((/** @type {any} */ one) => one.required === true).map((/** @type {any} */ one) => one.name),
    properties: Object.fromEntries(args.map((/** @type {any} */ one) => [one.name, { type: "string", title: one.title, description: one.description }])), additionalProperties: false,
  };
  const complete = around.connection.capabilities.completions === undefined ? null
    : (/** @type {string} */ name, /** @type {string} */ value, /** @type {Record<string, string>} */ others) => around.connection.complete({ type: "ref/prompt", name: prompt.name }, name, value, others);
  return panel(around, heading(prompt.title ?? prompt.name, prompt.name, prompt.description), formOf(schema, complete, values), t("tools.prompt.get"), async values => new Call(around.agent, "prompt", prompt.name, values));
}

/** @param {any} resource @param {Surroundings} around */
export function resourcePanel(resource, around) {
  const facts = [resource.mimeType, typeof resource.size === "number" ? sizeText(resource.size) : undefined].filter(Boolean).join(" · ");
  const head = heading(resource.title ?? resource.name ?? resource.uri, resource.uri, resource.description, [facts === "" ? null : h("span", { class: "field-hint" }, facts)]);
  const live = around.connection.capabilities.resources?.subscribe === true ? liveView(() => resource.uri, around, () => shown.run(undefined, true)) : [];
  const shown = panel(around, head, null, t("tools.resource.read"), async () => new Call(around.agent, "resource", resource.uri, {}), live);
  return shown;
}

/** @param {any} template @param {Surroundings} around @param {any} values */
export function templatePanel(template, around, values) {
  const names = variables(template.uriTemplate);
  const schema = { type: "object", properties: Object.fromEntries(names.map(name => [name, { type: "string" }])), additionalProperties: false };
  const complete = around.connection.capabilities.completions === undefined ? null
    : (/** @type {string} */ name, /** @type {string} */ value, /** @type {Record<string, string>} */ others) => around.connection.complete({ type: "ref/resource", uri: template.uriTemplate }, name, value, others);
  const form = formOf(schema, complete, values);
  const preview = h("output", { class: "template-uri", dir: "ltr" });
  const show = () => { preview.textContent = expand(template.uriTemplate, form.value ?? {}); };
  form.addEventListener("dawn-change", show);
  show();
  const head = heading(template.title ?? template.name ?? template.uriTemplate, template.uriTemplate, template.description);
  return panel(around, head, form, t("tools.resource.read"), async values => new Call(around.agent, "resource", expand(template.uriTemplate, /** @type {Record<string, string>} */ (values)), {}), [h("p", { class: "template-line" }, h("span", { class: "field-hint" }, `${t("tools.resource.address")} `), preview)]);
}

/** Follows a resource: reads it again whenever its agent says that it changed. @param {() => string} uri @param {Surroundings} around @param {() => Promise<void>} read @returns {Node[]} */
function liveView(uri, around, read) {
  const status = h("span", { class: "field-hint", role: "status" });
  let isLive = false;
  let count = 0;
  let isStale = false;
  const toggle = h("button", { type: "button", class: "field-button", "aria-pressed": "false", "data-testid": "subscribe", onclick: () => oneAtATime(toggle, async () => {
    try {
      await (isLive ? around.connection.unsubscribe(uri()) : around.connection.subscribe(uri()));
      isLive = !isLive;
      status.textContent = isLive ? t("tools.resource.live") : "";
    } catch (error) {
      status.textContent = error instanceof Error ? error.message : String(error);
    }
    toggle.setAttribute("aria-pressed", String(isLive));
  }) }, t("tools.resource.subscribe"));
  let isReading = false;
  around.connection.addEventListener("updated", async event => {
    if (!isLive || /** @type {CustomEvent} */ (event).detail !== uri()) {
      return;
    }
    isStale = true;
    status.textContent = t("tools.resource.updated", { count: ++count });
    while (isStale && !isReading && !around.until.aborted) {
      [isStale, isReading] = [false, true];
      await read();
      isReading = false;
    }
  }, { signal: around.until });
  around.until.addEventListener("abort", () => {
    if (isLive) {
      void around.connection.unsubscribe(uri()).catch(() => {}); // where the connection is gone, so is the subscription
    }
  }, { once: true });
  return [toggle, status];
}

/** A call that was made before. @param {Call} call @param {Surroundings} around @param {() => void} repeat */
export function historyPanel(call, around, repeat) {
  const head = heading(call.name, call.name, undefined, [h("p", { class: "field-hint" }, t(`tools.kind.${call.kind}`), " · ", new Date(call.startedAt).toLocaleString())]);
  const args = Object.keys(call.arguments).length === 0 ? null : h("pre", { class: "confirm-arguments", tabindex: 0, role: "region", "aria-label": t("tools.confirm.arguments"), dir: "ltr" }, JSON.stringify(call.arguments, null, 2).slice(0, 20_000));
  const again = h("button", { type: "button", class: "field-button button-primary", "data-testid": "repeat", onclick: repeat }, t("tools.history.repeat"));
  return {
    run: async () => repeat(), values: () => undefined,
    element: h("div", { class: "panel" }, h("div", { class: "panel-input" }, head, args, h("div", { class: "panel-actions" }, again)), h("div", { class: "panel-output" }, callView(call, { follow: around.follow, until: around.until }))),
  };
}
