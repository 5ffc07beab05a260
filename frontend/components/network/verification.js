// Which keys a person has compared. A NodeId is its key; what can change is which key is met at a place where another was compared.

/** @typedef {{ node: string, name: string, places: string[], at: number }} Compared `at` in Unix milliseconds. */
/** @typedef {{ state: "unverified" } | { state: "verified", by: Compared } | { state: "changed", by: Compared }} Trust */
/** @typedef {{ node: string, places: readonly string[] }} Met A node, and where it is met: its addresses, of the home node also this page's origin. */

const key = "compared-keys";
const maxCompared = 1_000;

/** Events: `change`. */
export class Verifications extends EventTarget {
  #store;
  /** @type {Map<string, Compared>} */
  #compared = new Map();

  /** @param {import("../../services/store.js").Store} store */
  constructor(store) {
    super();
    this.#store = store;
  }

  async load() {
    const kept = await this.#store.get(key);
    this.#compared = new Map((Array.isArray(kept) ? kept : []).map(one => [one.node, one]));
    this.dispatchEvent(new Event("change"));
  }

  /** @param {Met} met @param {(node: string) => boolean} isOnline A place may have moved on, or be shared: a node that is there still has not changed its key. @returns {Trust} */
  trust(met, isOnline) {
    const own = this.#compared.get(met.node);
    if (own !== undefined) {
      return { state: "verified", by: own };
    }
    const other = [...this.#compared.values()].find(one => !isOnline(one.node) && one.places.some(place => met.places.includes(place)));
    return other === undefined ? { state: "unverified" } : { state: "changed", by: other };
  }

  /** The keys were compared, and are the same. Takes the place of whatever was compared at its places before. @param {Met} met @param {string} name @param {number} at @param {(node: string) => boolean} isOnline */
  async verify(met, name, at, isOnline) {
    for (const [node, one] of this.#compared) {
      if (node !== met.node && !isOnline(node) && one.places.some(place => met.places.includes(place))) {
        this.#compared.delete(node);
      }
    }
    this.#compared.delete(met.node);
    this.#compared.set(met.node, { node: met.node, name, places: [...met.places], at });
    while (this.#compared.size > maxCompared) {
      this.#compared.delete(/** @type {string} */ (this.#compared.keys().next().value));
    }
    await this.#save();
  }

  /** @param {string} node */
  async forget(node) {
    this.#compared.delete(node);
    await this.#save();
  }

  async #save() {
    this.dispatchEvent(new Event("change"));
    await this.#store.set(key, [...this.#compared.values()]);
  }
}
