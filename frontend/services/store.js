// What outlives a visit: the identity, the network's keys and certificate, the last sequence. IndexedDB takes keys that can't be exported, and nothing else does.

/**
 * @typedef {object} Store
 * @property {(key: string) => Promise<any>} get Undefined where there is nothing.
 * @property {(key: string, value: any) => Promise<void>} set
 * @property {(key: string) => Promise<void>} delete
 */

const table = "node";

/** @param {IDBFactory} [factory] @param {string} [name] @returns {Promise<Store>} */
export async function openStore(factory = indexedDB, name = "dawn") {
  const opening = factory.open(name, 1);
  opening.onupgradeneeded = () => opening.result.createObjectStore(table);
  const database = await result(opening);
  // Another tab may want to upgrade or delete it; held open it would wait for ever.
  database.onversionchange = () => database.close();
  return {
    get: key => result(database.transaction(table).objectStore(table).get(key)),
    set: (key, value) => written(store => store.put(value, key)),
    delete: key => written(store => store.delete(key)),
  };

  /** @param {(store: IDBObjectStore) => void} write @returns {Promise<void>} */
  function written(write) {
    const transaction = database.transaction(table, "readwrite", { durability: "strict" });
    write(transaction.objectStore(table));
    return new Promise((resolve, reject) => {
      transaction.oncomplete = () => resolve();
      transaction.onabort = transaction.onerror = () => reject(transaction.error);
    });
  }
}

/** One that forgets, for tests and for pages that may keep nothing. @returns {Store} */
export function memoryStore() {
  const values = new Map();
  return {
    get: async key => values.get(key),
    set: async (key, value) => void values.set(key, value),
    delete: async key => void values.delete(key),
  };
}

/** @template T @param {IDBRequest<T>} request @returns {Promise<T>} */
function result(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
