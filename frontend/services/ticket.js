// Invitations, and what one gets for them (docs/protocol.md, "Tickets").
import { Reader, fromBase32 } from "./bytes.js";
import { certificateSize, readCertificate, roleOf } from "./certificate.js";
import { DawnError } from "./errors.js";
import { nodeIdSize } from "./identity.js";
import { derive } from "./primitives.js";

/** @typedef {import("./bytes.js").Bytes} Bytes */
/** @typedef {{ id: Bytes, secret: Bytes, role: import("./certificate.js").Role, issuer: Bytes, notAfter: number, network: string, addresses: string[] }} Ticket */
/** @typedef {{ name: string, key: Bytes, psk: Bytes, certificate: import("./certificate.js").Certificate }} Network */

export const ticketIdSize = 16;

const maxLength = 2_048;
const maxAddresses = 4;

/** The ticket in a page's address, behind the `#`; null where there is none. @param {string} fragment */
export function ticketIn(fragment) {
  const text = fragment.replace(/^#/, "");
  return /^dawn1[a-z2-7]+$/i.test(text) ? text : null;
}

/** @param {string} text @param {number} now Unix milliseconds @returns {Ticket} @throws {DawnError} */
export function readTicket(text, now) {
  const trimmed = text.trim();
  const bytes = trimmed.length <= maxLength && /^dawn1/i.test(trimmed) ? fromBase32(trimmed.slice(5)) : null;
  if (bytes === null) {
    throw new DataError("It is no ticket: a ticket begins with 'dawn1' and is one long word.");
  }
  const reader = new Reader(bytes);
  const [version, role, id, secret, issuer, notAfter, network] =
    [reader.u8(), roleOf(reader.u8()), reader.bytes(ticketIdSize), reader.bytes(32), reader.bytes(nodeIdSize), Number(reader.u64()) * 1000, reader.text8()];
  const count = reader.u8();
  const addresses = Array.from({ length: Math.min(count, maxAddresses) }, () => reader.text8());
  if (!reader.complete || version !== 1 || role === undefined || count > maxAddresses) {
    throw new DataError("The ticket is damaged: a part is missing or mistyped.");
  }
  if (role === "member") {
    // Before it is spent in vain: its root does not belong in a page.
    throw new DawnError("ticket-refused", "This ticket makes a machine a member ('dawn join'); a page needs one of role browser.");
  }
  if (notAfter <= now) {
    throw new DawnError("ticket-expired", "The ticket has expired; ask for a new one.");
  }
  return { id, secret, role, issuer, notAfter, network, addresses };
}

/** The PSK with which it is redeemed. @param {Ticket} ticket */
export const ticketPsk = ticket => derive("dawn/1 ticket", ticket.secret);

/**
 * Reads the issuer's answer; what it says must hold before anything of it is kept.
 * @param {Bytes} body @param {Bytes} self @param {number} now @returns {Promise<Network>}
 */
export async function readRedeemed(body, self, now) {
  const reader = new Reader(body);
  const [status, reason] = [reader.u8(), reader.text8()];
  if (status !== 0 && reader.complete) {
    throw new DawnError(status === 1 ? "ticket-spent" : "ticket-refused", reason);
  }
  const [role, name, key, root, psk, encoded] =
    [roleOf(reader.u8()), reader.text8(), reader.bytes(nodeIdSize), reader.block16(32), reader.bytes(32), reader.block16(certificateSize)];
  // A page takes no root: only members get one, and it redeems no member's ticket.
  const certificate = !reader.complete || role === undefined || root.length !== 0 ? null : await readCertificate(encoded, key, self, now);
  if (certificate === null || certificate.role !== role) {
    throw new DawnError("protocol", "The issuer's answer to the ticket does not hold.");
  }
  return { name, key: key.slice(), psk: psk.slice(), certificate };
}

class DataError extends DawnError {
  /** @param {string} message */
  constructor(message) {
    super("ticket-malformed", message);
  }
}
