// Caches the whole page, so that it also works offline. The export writes the files and their
// hashes. Every export has its own cache, which is filled before it replaces the previous one, so
// that files of two exports are never mixed.

const FILES = $files; // path: SHA-256 in base64
const VERSION = "$version";

const PREFIX = "dmgan " + self.registration.scope + " "; // pages of one origin share the caches
const CACHE = PREFIX + VERSION;

const keyOf = (path) => path + "?" + encodeURIComponent(FILES[path]);

async function keep(cache, path) {
  const known = await caches.match(keyOf(path)); // of an earlier export, or stored by the page
  const request = new Request(path, { integrity: "sha256-" + FILES[path], cache: "no-cache" });
  const response = known ?? (await fetch(request));
  if (!response.ok) throw Error(path + " is missing from this site.");
  await cache.put(keyOf(path), response);
}

async function install() {
  const cache = await caches.open(CACHE);
  await Promise.all(Object.keys(FILES).map((path) => keep(cache, path)));
}

async function removeOthers() {
  const names = await caches.keys();
  const others = names.filter((name) => name.startsWith(PREFIX) && name !== CACHE);
  await Promise.all(others.map((name) => caches.delete(name)));
}

async function answer(request) {
  const path = new URL(request.url).pathname.slice(new URL(self.registration.scope).pathname.length);
  const cache = await caches.open(CACHE);
  return (await cache.match(keyOf(path || "./"))) ?? fetch(request);
}

self.addEventListener("install", (event) => event.waitUntil(install()));
self.addEventListener("activate", (event) => event.waitUntil(removeOthers()));
self.addEventListener("fetch", (event) => {
  if (event.request.method === "GET") event.respondWith(answer(event.request));
});
