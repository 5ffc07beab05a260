// Keeps the page itself for when its node is away: what was said can be read then, and what is written waits. Of what the node answers it keeps nothing.

// The types of pages and of workers exclude each other; these are the few that matter here.
const worker = /** @type {{ skipWaiting: () => Promise<void>, clients: { claim: () => Promise<void> }, addEventListener: (type: string, listener: (event: { waitUntil: (promise: Promise<unknown>) => void, request: Request, respondWith: (response: Promise<Response>) => void }) => void) => void }} */ (/** @type {unknown} */ (self));
const cacheName = "dawn-shell";

worker.addEventListener("install", event => event.waitUntil(fill().then(() => worker.skipWaiting())));
worker.addEventListener("activate", event => event.waitUntil(worker.clients.claim()));

// All that the page may load later too: a language, a highlighter. What belongs to an older page goes.
async function fill() {
  const names = /** @type {string[]} */ (await (await fetch("./shell.json")).json());
  const wanted = new Set(names.map(name => new URL(name, location.href).href));
  const cache = await caches.open(cacheName);
  for (const request of await cache.keys()) {
    if (!wanted.has(request.url)) {
      await cache.delete(request);
    }
  }
  await cache.addAll([...wanted]);
}

worker.addEventListener("fetch", event => {
  const url = new URL(event.request.url);
  const isShell = url.pathname === "/" || /\.(js|css|svg|webmanifest)$/.test(url.pathname);
  if (event.request.method === "GET" && url.origin === location.origin && isShell) {
    event.respondWith(answer(event.request));
  }
});

// The node first, as it may have been updated; files whose name has their hash never change.
/** @param {Request} request */
async function answer(request) {
  const cache = await caches.open(cacheName);
  const isHashed = /-[A-Z0-9]{8}\.(js|css)$/.test(new URL(request.url).pathname);
  const kept = await cache.match(request, { ignoreSearch: true });
  if (isHashed && kept !== undefined) {
    return kept;
  }
  try {
    const response = await fetch(request);
    if (response.ok) {
      await cache.put(request, response.clone());
    }
    return response;
  } catch (error) {
    if (kept !== undefined) {
      return kept;
    }
    throw error;
  }
}
