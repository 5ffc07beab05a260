// The sessions of this node: which envelope belongs to which, and what becomes of them when the way changes.
import { equal } from "./bytes.js";
import { kinds, tagSize, undeliverable, writeEnvelope, readEnvelope } from "./envelope.js";
import { DawnError } from "./errors.js";
import { Floods } from "./floods.js";
import { nodeText } from "./identity.js";
import { frames } from "./link.js";
import { Opening, sessionName } from "./opening.js";

/** @typedef {import("./bytes.js").Bytes} Bytes */
/** @typedef {import("./session.js").Session} Session */

// A page talks with a few nodes; each session costs timers and keys.
const maxSessions = 256;

export class Sessions {
  #home;
  #identity;
  #rekeyAfter;
  #floods;
  #nextId;
  /** By {@link sessionName}. @type {Map<string, Session | Opening>} */
  #byName = new Map();
  /** The one that new channels go to, by the node's text. @type {Map<string, { opening: Opening, session: Session | null, target: Bytes }>} */
  #byNode = new Map();

  /** @param {import("./home.js").Home} home @param {import("./identity.js").Identity} identity @param {import("./runtime.js").Runtime} runtime @param {number} [rekeyAfter] */
  constructor(home, identity, runtime, rekeyAfter) {
    this.#home = home;
    this.#identity = identity;
    this.#rekeyAfter = rekeyAfter;
    this.#nextId = new DataView(runtime.random(8).buffer).getBigUint64(0);
    this.#floods = new Floods(identity, runtime, (kind, target, payload) => this.#send(kind, target, new Uint8Array(tagSize), payload));
  }

  /** Called with the text of each node that has proven to be there. @type {(node: string) => void} */
  onAlive = () => {};

  /** A session with a node: the one that is there, or a new one. @param {Bytes} target @returns {Promise<Session>} */
  async get(target) {
    const node = nodeText(target);
    const known = this.#byNode.get(node);
    if (known !== undefined && (known.session === null || known.session.isHealthy)) {
      return known.opening.session;
    }
    const { credentials } = this.#home;
    if (credentials === null) {
      throw new DawnError("ticket-needed", "This page is not a member of the network.", { outcome: "not-executed" });
    }
    if (this.#byName.size >= maxSessions) {
      throw new DawnError("limit", `A page has at most ${maxSessions} sessions.`, { outcome: "not-executed" });
    }
    const opening = new Opening({
      credentials, target, rekeyAfter: this.#rekeyAfter,
      send: (kind, tag, payload) => this.#send(kind, target, tag, payload),
      outlet: tag => ({
        send: payload => this.#send(kinds.segment, target, tag, payload),
        room: () => this.#home.link?.room() ?? Promise.resolve(),
        stalled: () => this.#onUnanswered(target),
      }),
      onEnd: session => this.#forget(node, sessionName(target, session.tag), opening),
      onUnanswered: () => this.#onUnanswered(target),
    });
    const name = sessionName(target, opening.tag);
    this.#byName.set(name, opening);
    this.#byNode.set(node, { opening, session: null, target });
    opening.onSession = session => {
      this.#byName.set(name, session);
      const entry = this.#byNode.get(node);
      if (entry?.opening === opening) {
        entry.session = session;
      }
      void session.confirmed.then(isConfirmed => isConfirmed && this.onAlive(node));
    };
    opening.session.catch(() => this.#forget(node, name, opening));
    void opening.begin();
    return opening.session;
  }

  list() {
    return [...this.#byName.values()].flatMap(entry => entry instanceof Opening ? [] : [{ node: nodeText(entry.remote.node), epoch: entry.epoch, roundTrip: entry.roundTrip || null }]);
  }

  /** Takes an envelope from the link. @param {Bytes} bytes @returns {Promise<boolean>} false where it is malformed */
  async receive(bytes) {
    const envelope = readEnvelope(bytes);
    if (envelope === null) {
      return false;
    }
    const { kind, source, target, tag, payload } = envelope;
    if (!equal(target, this.#identity.id) || equal(source, this.#identity.id)) {
      return true;
    }
    const session = this.#byName.get(sessionName(source, tag));
    if (kind === kinds.segment && session !== undefined && !(session instanceof Opening)) {
      await session.receive(payload);
    } else if (kind === kinds.handshake && session instanceof Opening) {
      await session.take(payload);
    } else if (kind === kinds.undeliverable && payload.length === 9) {
      this.#onUndeliverable(payload[8], source, session);
    } else if (kind === kinds.seek) {
      await this.#floods.onSeek(envelope);
    } else if (kind === kinds.found) {
      const found = await this.#floods.onFound(envelope);
      if (found !== null) {
        this.#onWay(nodeText(found));
      }
    }
    return true;
  }

  /** There is a link again: everything under way may be lost. */
  onLink() {
    for (const entry of [...this.#byName.values()]) {
      entry instanceof Opening ? entry.again() : entry.onPath();
    }
  }

  onNoLink() {
    for (const entry of this.#byName.values()) {
      if (!(entry instanceof Opening)) {
        entry.onNoPath();
      }
    }
  }

  /** Says goodbye to all. */
  async close() {
    await Promise.all([...this.#byName.values()].map(entry => {
      if (entry instanceof Opening) {
        return entry.fail(new DawnError("stopping", "The page was closed.", { outcome: "not-executed" }));
      }
      return entry.end(6, "The page was closed.", true);
    }));
  }

  // There may be no way, or the home node may be gone without a word.
  /** @param {Bytes} target */
  #onUnanswered(target) {
    this.#home.link?.ask();
    void this.#floods.seek(target);
  }

  /** A hint that anybody on the way could give. @param {number} code @param {Bytes} source the node that was not reached @param {Session | Opening | undefined} session */
  #onUndeliverable(code, source, session) {
    if (session === undefined) {
      return;
    }
    if (code === undeliverable.noRoute) {
      void this.#floods.seek(source);
    } else if (!(session instanceof Opening)) {
      code === undeliverable.limit ? session.onCongested() : code === undeliverable.noSession && session.doubt();
    }
  }

  /** @param {string} node */
  #onWay(node) {
    for (const entry of this.#byName.values()) {
      if (entry instanceof Opening) {
        if (this.#byNode.get(node)?.opening === entry) {
          entry.again();
        }
      } else if (nodeText(entry.remote.node) === node) {
        entry.onPath();
      }
    }
  }

  /** @param {string} node @param {string} name @param {Opening} opening */
  #forget(node, name, opening) {
    this.#byName.delete(name);
    if (this.#byNode.get(node)?.opening === opening) {
      this.#byNode.delete(node);
    }
  }

  /** @param {number} kind @param {Bytes} target @param {Bytes} tag @param {Bytes} payload */
  #send(kind, target, tag, payload) {
    const id = this.#nextId = BigInt.asUintN(64, this.#nextId + 1n);
    return this.#home.link?.send(frames.envelope, writeEnvelope(kind, id, this.#identity.id, target, tag, payload)) ?? false;
  }
}
