// Keeps the whole page, so that it is there without a connection, too. Written at export: the
// files with their hashes. Another export is another cache, filled before it takes the place of
// this one; nothing of two exports is mixed.

const FILES = $files; // path: SHA-256 in base64
const VERSION = "$version";

const PREFIX = "dmgan " + self.registration.scope + " "; // pages of one origin share their caches
const CACHE = PREFIX + VERSION;

async function install() {
  const cache = await caches.open(CACHE);
  const requests = Object.entries(FILES).map(
    // What the page has just loaded comes from the browser, once the site says that it is current.
    ([path, hash]) => new Request(path, { integrity: "sha256-" + hash, cache: "no-cache" }),
  );
  await cache.addAll(requests);
}

async function removeOthers() {
  const names = await caches.keys();
  const others = names.filter((name) => name.startsWith(PREFIX) && name !== CACHE);
  await Promise.all(others.map((name) => caches.delete(name)));
}

async function answer(request) {
  const cache = await caches.open(CACHE);
  return (await cache.match(request, { ignoreSearch: true })) ?? fetch(request);
}

self.addEventListener("install", (event) => event.waitUntil(install()));
self.addEventListener("activate", (event) => event.waitUntil(removeOthers()));
self.addEventListener("fetch", (event) => {
  if (event.request.method === "GET") event.respondWith(answer(event.request));
});
