// Works offline after the first load: the folder's files are kept, and given where the server cannot be reached.
// The network comes first, so that a newer page or another model on the same address is never hidden by an older.

const VERSION = "unexported"; // written by the export
const FILES = []; // written by the export

const PREFIX = `bert-emotion ${registration.scope} `;

self.addEventListener("install", (event) => {
  event.waitUntil(
    (async () => {
      const cache = await caches.open(PREFIX + VERSION);
      // "no-cache" asks the server whether the copy in the browser still holds: what was just loaded is not sent twice
      await cache.addAll(FILES.map((file) => new Request(file, { cache: "no-cache" })));
      await self.skipWaiting();
    })(),
  );
});

self.addEventListener("activate", (event) => {
  event.waitUntil(
    (async () => {
      const old = (await caches.keys()).filter((name) => name.startsWith(PREFIX) && name !== PREFIX + VERSION);
      await Promise.all(old.map((name) => caches.delete(name)));
      await self.clients.claim();
    })(),
  );
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  if (request.method === "GET" && new URL(request.url).origin === location.origin) event.respondWith(answer(request));
});

async function answer(request) {
  try {
    return await (request.mode === "navigate" ? fetch(request) : fetch(request, { cache: "no-cache" }));
  } catch (error) {
    const cache = await caches.open(PREFIX + VERSION);
    const kept = await cache.match(request, { ignoreSearch: true });
    if (kept) return kept;
    throw error;
  }
}
