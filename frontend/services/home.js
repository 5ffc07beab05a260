// The way into the network: the node that serves the page. Redeems tickets, keeps a link up, and says how things stand.
import { empty, equal } from "./bytes.js";
import { readCertificate } from "./certificate.js";
import { DawnError } from "./errors.js";
import { nodeText } from "./identity.js";
import { Link, frames } from "./link.js";
import { delay } from "./runtime.js";
import { readRedeemed, readTicket, ticketPsk } from "./ticket.js";
import { Turn } from "./turn.js";

/** @typedef {import("./bytes.js").Bytes} Bytes */
/** @typedef {import("./ticket.js").Network} Network */

/**
 * How things stand. `ticket-needed`: this page is no member, or no longer; `elsewhere`: another page of this browser has the turn.
 * @typedef {object} Status
 * @property {"starting" | "connecting" | "online" | "offline" | "ticket-needed" | "elsewhere" | "closed"} state
 * @property {string} node This page's NodeId.
 * @property {string | null} home The NodeId of the node that serves the page, once it has been linked to.
 * @property {string | null} network The network's name.
 * @property {{ code: import("./errors.js").ErrorCode, message: string } | null} error Why it is so, where something is wrong.
 * @property {number | null} retryAt When the next attempt begins, in Unix milliseconds.
 * @property {number | null} certificateEnds When this page's membership ends, in Unix milliseconds.
 */

/**
 * @typedef {object} HomeOptions
 * @property {string} url Of the link endpoint, as `ws://127.0.0.1:7600/link`.
 * @property {import("./stream.js").SocketConstructor} Socket
 * @property {import("./store.js").Store} store
 * @property {import("./identity.js").Identity} identity
 * @property {CryptoKeyPair} staticKey
 * @property {import("./runtime.js").Runtime} runtime
 * @property {LockManager | null} locks
 * @property {number} [rekeyAfter]
 */

const firstRetry = 500;
const lastRetry = 30_000;
const redeemTime = 10_000;
const storeKey = "network";

export class Home extends EventTarget {
  #options;
  #turn;
  /** @type {Network | null} */
  #network = null;
  // One object as long as the network is the same: links and sessions look into it, and show a renewed certificate by rekeying.
  /** @type {import("./proof.js").Credentials | null} */
  #credentials = null;
  /** @type {Link | null} */
  #link = null;
  /** @type {Status} */
  #status;
  #hasTurn = false;
  #isWaiting = false;
  #closed = new AbortController();
  // Ends a pause before its time.
  #wake = new AbortController();
  /** Called with each new link, before its first frame is handled. @type {(link: Link, network: Network) => void} */
  onUp = () => {};
  onDown = () => {};
  /** Called when the certificate was renewed. @type {(link: Link) => void} */
  onRenewed = () => {};

  /** @param {HomeOptions} options */
  constructor(options) {
    super();
    this.#options = options;
    this.#turn = new Turn(options.locks);
    this.#turn.onLost = () => {
      this.#hasTurn = false;
      this.#link?.abandon();
      this.retry();
    };
    this.#status = { state: "starting", node: options.identity.text, home: null, network: null, error: null, retryAt: null, certificateEnds: null };
  }

  get status() {
    return this.#status;
  }

  get link() {
    return this.#link;
  }

  get credentials() {
    return this.#credentials;
  }

  /** Begins, with a ticket where there is one. @param {string | null} ticket */
  async start(ticket) {
    const { store, identity, runtime } = this.#options;
    const kept = await store.get(storeKey);
    const certificate = kept === undefined ? null : await readCertificate(kept.certificate, kept.key, identity.id, runtime.now());
    if (certificate !== null) {
      this.#use({ name: kept.name, key: kept.key, psk: kept.psk, certificate });
    }
    /** @type {DawnError | null} */
    let error = kept !== undefined && certificate === null ? expired() : null;
    if (ticket !== null) {
      try {
        await this.#redeem(ticket);
        error = null;
      } catch (e) {
        // An address that is opened again carries a ticket that was used. That is no fault where it is not needed.
        error = this.#network === null ? asDawnError(e) : null;
      }
    }
    void this.#run(error);
  }

  /** Redeems a ticket: the first one, or a new one before or after the membership's end. @param {string} ticket @throws {DawnError} */
  async redeem(ticket) {
    const before = this.#credentials;
    await this.#redeem(ticket);
    if (this.#link !== null && before === this.#credentials) {
      this.onRenewed(this.#link);
    } else {
      // Of another network, whose links these are not.
      this.#link?.abandon();
    }
    this.#set({});
    this.retry();
  }

  /** Tries to connect now, as when the machine is back online. */
  retry() {
    this.#wake.abort();
  }

  /** Takes the turn from the page that has it. */
  async takeOver() {
    if (this.#status.state === "elsewhere" && await this.#turn.steal()) {
      this.#hasTurn = true;
      this.retry();
    }
  }

  async close() {
    this.#closed.abort();
    this.#wake.abort();
    await this.#link?.close("stopping", "The page was closed.");
    this.#turn.release();
    this.#set({ state: "closed", error: null, retryAt: null });
  }

  /** @param {DawnError | null} error */
  async #run(error) {
    let pause = firstRetry;
    this.#hasTurn = await this.#turn.take();
    while (!this.#closed.signal.aborted) {
      if (!this.#hasTurn) {
        this.#set({ state: "elsewhere", error: null, retryAt: null });
        await this.#waitForTurn();
        continue;
      }
      if (this.#network === null || this.#network.certificate.notAfter <= this.#options.runtime.now()) {
        const cause = this.#network !== null ? expired() : error ?? new DawnError("ticket-needed", "This page is not a member of the network yet; it takes a ticket.");
        this.#set({ state: "ticket-needed", retryAt: null, error: failure(cause) });
        await this.#sleep(60_000);
        continue;
      }
      this.#set({ state: "connecting", error: failure(error), retryAt: null });
      const began = this.#options.runtime.ticks();
      error = await this.#visit(this.#network);
      if (!this.#hasTurn || this.#closed.signal.aborted) {
        continue;
      }
      // Up for a while is not failing; many nodes' pages must not come back in one instant.
      pause = this.#options.runtime.ticks() - began > lastRetry ? firstRetry : Math.min(2 * pause, lastRetry);
      const wait = pause * (0.5 + 0.5 * this.#options.runtime.random(1)[0] / 255);
      this.#set({ state: "offline", error: failure(error), retryAt: this.#options.runtime.now() + wait });
      await this.#sleep(wait);
    }
  }

  /** One link, from its beginning to its end. @param {Network} network */
  async #visit(network) {
    const { url, Socket, rekeyAfter } = this.#options;
    try {
      const credentials = /** @type {import("./proof.js").Credentials} */ (this.credentials);
      const link = this.#link = await Link.dial(url, Socket, credentials, { rekeyAfter }, this.#closed.signal);
      this.onUp(link, network);
      this.#set({ state: "online", home: nodeText(link.remote.node), error: null, retryAt: null });
      const { end, reason } = await link.ended;
      this.#link = null;
      this.onDown();
      if (end === "duplicate") {
        // Another page with this key, that no lock told of.
        this.#hasTurn = false;
      }
      return end === "certificate-expired" ? new DawnError("certificate-expired", "The membership of one end has expired.")
        : new DawnError("no-connection", reason === "" ? `The link ended (${end}).` : `The link ended (${end}): ${reason}.`);
    } catch (error) {
      this.#link = null;
      return asDawnError(error);
    }
  }

  async #waitForTurn() {
    if (!this.#isWaiting) {
      this.#isWaiting = true;
      void this.#turn.wait().then(isMine => {
        this.#isWaiting = false;
        if (isMine) {
          this.#hasTurn = true;
          this.retry();
        }
      });
    }
    await this.#sleep(Infinity);
  }

  /** @param {string} text @throws {DawnError} */
  async #redeem(text) {
    const { url, Socket, identity, staticKey, runtime, store } = this.#options;
    const ticket = readTicket(text, runtime.now());
    const credentials = { identity, staticKey, runtime, psk: await ticketPsk(ticket), network: null, certificate: empty };
    const link = await Link.dial(url, Socket, credentials, { ticketId: ticket.id, expected: ticket.issuer }, this.#closed.signal);
    const over = new AbortController();
    try {
      /** @type {Promise<Bytes | null>} */
      const answer = new Promise(resolve => {
        link.onFrame = async (_, body) => resolve(body.slice());
        void link.ended.then(() => resolve(null));
        void delay(runtime, redeemTime, over.signal).then(() => resolve(null));
      });
      link.send(frames.redeem, Uint8Array.of(1));
      const body = await answer;
      if (body === null) {
        throw new DawnError("no-connection", "The node did not answer the ticket. It may be spent now; ask for a new one if this one is refused.");
      }
      const network = await readRedeemed(body, identity.id, runtime.now());
      await store.set(storeKey, { name: network.name, key: network.key, psk: network.psk, certificate: network.certificate.encoded });
      this.#use(network);
    } finally {
      over.abort();
      void link.close("done");
    }
  }

  /** @param {Network} network */
  #use(network) {
    const { identity, staticKey, runtime } = this.#options;
    if (this.#credentials !== null && this.#network !== null && equal(this.#network.key, network.key)) {
      this.#credentials.certificate = network.certificate.encoded;
    } else {
      this.#credentials = { identity, staticKey, runtime, psk: network.psk, network: network.key, certificate: network.certificate.encoded };
    }
    this.#network = network;
  }

  /** @param {number} ms */
  async #sleep(ms) {
    this.#wake = new AbortController();
    if (!this.#closed.signal.aborted) {
      await (ms === Infinity ? new Promise(resolve => this.#wake.signal.addEventListener("abort", () => resolve(undefined), { once: true })) : delay(this.#options.runtime, ms, this.#wake.signal));
    }
  }

  /** @param {Partial<Status>} change */
  #set(change) {
    this.#status = { ...this.#status, network: this.#network?.name ?? null, certificateEnds: this.#network?.certificate.notAfter ?? null, ...change };
    this.dispatchEvent(new Event("status"));
  }
}

const expired = () => new DawnError("certificate-expired", "This page's membership has expired; it takes a new ticket.");

/** @param {unknown} error */
function asDawnError(error) {
  if (error instanceof DawnError) {
    return error;
  }
  console.error(error);
  return new DawnError("protocol", "The connection failed for a reason that was not foreseen.", { cause: error });
}

/** @param {DawnError | null} error */
const failure = error => error === null ? null : { code: error.code, message: error.message };
