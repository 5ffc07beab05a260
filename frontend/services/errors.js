// What can go wrong, told apart by a code: pages choose their words by it, and never by the message.

/**
 * @typedef {"ticket-malformed" | "ticket-expired" | "ticket-spent" | "ticket-refused" | "ticket-needed" | "certificate-expired" |
 *   "wrong-network" | "wrong-node" | "no-connection" | "timeout" | "encryption" | "protocol" | "limit" | "closed" | "stopping" | "elsewhere" |
 *   "unknown-agent" | "ambiguous-agent" | "refused" | "agent-unavailable" | "unreachable" | "lost" | "bad-address" | "cancelled" | "unsupported"} ErrorCode
 */

/** What became of a call whose answer never came (docs/protocol.md, "JSON-RPC errors"). @typedef {"not-executed" | "outcome-unknown"} Outcome */

export class DawnError extends Error {
  /**
   * @param {ErrorCode} code
   * @param {string} message
   * @param {{ outcome?: Outcome, cause?: unknown }} [more]
   */
  constructor(code, message, more = {}) {
    super(message, { cause: more.cause });
    this.name = "DawnError";
    this.code = code;
    this.outcome = more.outcome;
  }
}

/** What a channel or a session was closed with, by the wire's numbers. @type {readonly ErrorCode[]} */
export const closeCodes = ["closed", "unknown-agent", "refused", "agent-unavailable", "protocol", "limit", "stopping", "unreachable", "lost", "bad-address"];

/** @param {number} code @returns {ErrorCode} */
export const closeCode = code => closeCodes[code] ?? "lost";
