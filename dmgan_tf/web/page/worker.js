// The model, in a separate thread, so that the page stays responsive while a picture is drawn.
//
// In: `{site}` once, the content of site.json; then `{request, ids, seed, samples}`.
// Out: `{loaded, total}` in bytes; `{ready}`; `{request, sample, drawing}` for each sample;
// `{failed}`, one line, if no further picture can be drawn.
//
// A classic script, because the runtime loads its scripts with `importScripts`, which modules lack.

const RUNTIME = "runtime/";
const FIRST_SCRIPT = "litert_wasm_compat_internal.js";
let site, network, runtime, page;
let newest = 0; // request; older ones are cancelled

// Downloads a file of the site, checks its size and hash, and returns its bytes.
async function bytesOf(path, onBytes) {
  const { bytes: size, sha256 } = site.files[path];
  const damaged = () => Error(`${path} is not the file that was exported. Put it online again.`);
  let response;
  try {
    response = await fetch(path);
  } catch {
    throw Error(`${path} cannot be fetched. Is there a connection? Reload the page to try again.`);
  }
  if (!response.ok) {
    throw Error(
      `${path} is missing from this site (status ${response.status}). Put all exported files online.`,
    );
  }
  const bytes = new Uint8Array(size);
  const reader = response.body.getReader();
  let end = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    if (end + value.length > size) throw damaged();
    bytes.set(value, end);
    end += value.length;
    onBytes(value.length);
  }
  if (end !== size) throw damaged();
  if (globalThis.crypto.subtle) { // available only at https or localhost
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
    if (btoa(String.fromCharCode(...digest)) !== sha256) throw damaged();
    if (!site.isKept) await keep(path, sha256, bytes).catch(() => {}); // not every browser allows it
  }
  return bytes;
}

// Stores a file in a cache for the service worker, which else would download it again.
async function keep(path, sha256, bytes) {
  const cache = await caches.open(`dmgan ${new URL(".", location.href)} loaded`);
  await cache.put(`${path}?${encodeURIComponent(sha256)}`, new Response(bytes));
}

const lost = (path) => () => {
  throw Error(`${path} cannot be loaded. Put all exported files online.`);
};

const beyondDevice = (error) => {
  throw Error(`This device cannot run the model (${error.message}). Close other pages and reload this one.`);
};

async function load(given) {
  site = given;
  const files = [site.wasm, site.model];
  const total = files.reduce((sum, path) => sum + site.files[path].bytes, 0);
  let loaded = 0;
  const fetched = files.map((path) =>
    bytesOf(path, (bytes) => postMessage({ loaded: (loaded += bytes), total })),
  );
  for (const file of fetched) file.catch(() => {}); // errors are handled below
  const scripts = ["noise.js", "drawing.js", `${RUNTIME}litert.js`];
  const [noise, drawing, litert] = await Promise.all(
    scripts.map((path) => import(`./${path}`).catch(lost(path))),
  );
  page = { ...noise, ...drawing };
  runtime = litert;
  // The runtime would request a GPU without using it.
  Object.defineProperty(navigator, "gpu", { value: { requestAdapter: async () => null } });
  const quiet = () => {};
  console.warn = quiet; // hides the warning about the missing GPU
  self.Module = { wasmBinary: (await fetched[0]).buffer, print: quiet, printErr: quiet };
  await runtime.loadLiteRt(RUNTIME + FIRST_SCRIPT).catch(lost(RUNTIME + FIRST_SCRIPT));
  const weights = await fetched[1];
  network = await runtime.loadAndCompile(weights, { accelerator: "wasm" }).catch(beyondDevice);
}

// Draws one sample; returns the result of `drawingOf`.
async function draw(ids, seed, sample) {
  const numNoise = site.noise_dim + site.condition_dim;
  const noise = page.noiseOf(seed, sample, numNoise);
  const tokens = new Int32Array(site.caption_length);
  tokens.set(ids);
  const inputs = {
    token_ids: new runtime.Tensor(tokens, [1, tokens.length]),
    noise: new runtime.Tensor(noise.slice(0, site.noise_dim), [1, site.noise_dim]),
    condition_noise: new runtime.Tensor(noise.slice(site.noise_dim), [1, site.condition_dim]),
  };
  const outputs = await network.run(inputs).catch(beyondDevice);
  const values = {};
  for (const [name, tensor] of Object.entries(outputs)) values[name] = tensor.toTypedArray().slice();
  for (const tensor of [...Object.values(inputs), ...Object.values(outputs)]) tensor.delete();
  return page.drawingOf(values, site.image_sizes, ids.length, site.caption_length);
}

async function answer({ request, ids, seed, samples }) {
  for (let sample = 0; sample < samples; sample++) {
    await new Promise((resolve) => setTimeout(resolve)); // lets a newer request arrive
    if (request !== newest) return;
    const start = performance.now();
    const drawing = await draw(ids, seed, sample);
    postMessage({ request, sample, drawing, seconds: (performance.now() - start) / 1000 });
  }
}

let work = Promise.resolve();
self.onmessage = ({ data }) => {
  newest = data.request ?? newest;
  const step = data.site
    ? () => load(data.site).then(() => postMessage({ ready: true }))
    : () => network && answer(data);
  work = work.then(step).catch((error) => postMessage({ failed: error.message }));
};
