// An agent within the page: the product's own MCP client speaks with it, message for message.
import { fromText, toText } from "../../../services/bytes.js";
import { DawnError } from "../../../services/errors.js";
import { McpClient, McpError } from "../../../services/mcp.js";

/**
 * @param {Record<string, (params: any, context: { id: number, notify: (method: string, params?: any) => void, cancelled: Promise<void> }) => any>} methods
 * @param {any} [capabilities]
 */
export function fakeAgent(methods, capabilities = { tools: { listChanged: true }, resources: { subscribe: true }, prompts: {}, completions: {} }) {
  /** @type {{ method: string, params: any }[]} */
  const log = [];
  /** @type {((message: any) => void) | null} */
  let deliver = null;
  /** @type {(() => void) | null} */
  let hangUp = null;
  let connections = 0;

  /** @param {import("../../../services/mcp.js").McpOptions} [options] */
  const connect = options => {
    connections++;
    /** @type {Map<number, () => void>} */
    const cancels = new Map();
    /** @type {any[]} */
    const inbox = [];
    /** @type {((bytes: any) => void) | null} */
    let waiting = null;
    let isOver = false;
    const push = (/** @type {any} */ bytes) => waiting === null ? inbox.push(bytes) : waiting(bytes);
    const send = (/** @type {any} */ message) => push(fromText(JSON.stringify({ jsonrpc: "2.0", ...message })));
    const notify = (/** @type {string} */ method, /** @type {any} */ params) => send({ method, params });
    /** @type {import("../../../services/mcp.js").MessageChannelLike} */
    const channel = {
      error: null,
      send: async bytes => {
        const { id, method, params } = JSON.parse(toText(bytes));
        log.push({ method, params });
        if (method === "notifications/cancelled") {
          cancels.get(params.requestId)?.();
        }
        if (id === undefined || method === undefined) {
          return;
        }
        if (method === "initialize") {
          send({ id, result: { protocolVersion: "2025-11-25", capabilities, serverInfo: { name: "fake", version: "1" } } });
          return;
        }
        const cancelled = new Promise(resolve => cancels.set(id, () => resolve(undefined)));
        const answer = methods[method];
        Promise.resolve().then(() => {
          if (answer === undefined) {
            throw new McpError(-32601, `No ${method}.`);
          }
          return answer(params, { id, notify, cancelled: /** @type {Promise<void>} */ (cancelled) });
        }).then(result => send({ id, result }), error => send({ id, error: { code: error.code ?? -32603, message: error.message, data: error.data } }));
      },
      read: () => isOver && inbox.length === 0 ? Promise.resolve(null) : inbox.length > 0 ? Promise.resolve(inbox.shift()) : new Promise(resolve => {
        waiting = bytes => {
          waiting = null;
          resolve(bytes);
        };
      }),
      close: () => {
        isOver = true;
        push(null);
      },
    };
    deliver = send;
    hangUp = () => {
      channel.error = new DawnError("lost", "The way to the node is gone.");
      channel.close();
    };
    return McpClient.connect(channel, options);
  };
  return { connect, log, notify: (/** @type {string} */ method, /** @type {any} */ params) => deliver?.({ method, params }), hangUp: () => hangUp?.(), get connections() { return connections; } };
}
