// Keeps the page itself for when its node is away: what was said can be read then, and what is written waits. Of what the node answers it keeps nothing.

// The types of pages and of workers exclude each other; these are the few that matter here.
const worker = /** @type {{ skipWaiting: () => Promise<void>, clients: { claim: () => Promise<void> }, addEventListener: (type: string, listener: (event: { waitUntil: (promise: Promise<unknown>) => void, request: Request, respondWith: (response: Promise<Response>) => void }) => void) => void }} */ (/** @type {unknown} */ (self));
const cacheName = "dawn-shell";

worker.addEventListener("install", event => event.waitUntil(worker.skipWaiting()));
worker.addEventListener("activate", event => event.waitUntil(worker.clients.claim()));

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
