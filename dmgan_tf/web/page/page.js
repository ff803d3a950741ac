// The form: captions are tokenized here, and drawn by the worker.

import { addSample, element, messageMarkup, resultMarkup } from "./markup.js";
import { Tokenizer, shortened } from "./tokenizer.js";

const LARGEST_SEED = 2 ** 32 - 1;
// A WebAssembly module with one SIMD instruction, to test for support.
const SIMD = [0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0,
  253, 15, 253, 98, 11];

const form = document.querySelector("form");
const result = document.querySelector("#result");
const status = document.querySelector("#status");
const progress = document.querySelector("progress");
const fields = form.elements;
let site, tokenizer, worker;
let failure = null; // one line, if no further picture can be drawn
let isReady = false;
let asked = { request: 0 };

function say(text) {
  status.textContent = text;
}

function fail(message) {
  failure = message;
  progress.hidden = true;
  say("");
  if (result.querySelector(".dm-stage")) return; // an existing picture is kept
  result.replaceChildren(messageMarkup([], null, message));
}

// Returns a message about a missing feature of this browser, or null.
function whatIsMissing() {
  if (location.protocol === "file:") {
    return "Browsers do not run this page from a file. Start a server in this folder: python3 -m http.server";
  }
  const hasSimd = globalThis.WebAssembly && WebAssembly.validate(new Uint8Array(SIMD));
  if (!hasSimd || !globalThis.CompressionStream) {
    return (
      "This browser lacks WebAssembly SIMD, which this page needs. Chrome and Edge have it since " +
      "version 91, Firefox since 114, Safari since 16.4: update this browser, or try another."
    );
  }
  return null;
}

async function fetched(path) {
  const response = await fetch(path).catch(() => ({ ok: false, status: "no connection" }));
  if (response.ok) return response;
  throw Error(
    `${path} is missing from this site (status ${response.status}). Put all exported files online.`,
  );
}

async function start() {
  const missing = whatIsMissing();
  if (missing) throw Error(missing);
  const [record, settings, vocabulary] = await Promise.all(
    ["site.json", "model/tokenizer.json", "model/vocabulary.txt"].map(fetched),
  );
  site = await record.json();
  const words = (await vocabulary.text()).replace(/\n$/, "").split("\n");
  tokenizer = new Tokenizer(await settings.json(), words, site.caption_length);
  worker = new Worker("worker.js");
  worker.onmessage = ({ data }) => hear(data);
  worker.onerror = () => fail("worker.js cannot be run. Put all exported files online.");
  const isKept = Boolean(navigator.serviceWorker?.controller);
  worker.postMessage({ site: { ...site, isKept } });
  draw();
}

function hear(message) {
  if (message.failed) fail(message.failed);
  else if (message.ready) ready();
  else if (message.loaded) showProgress(message);
  else if (message.request === asked.request) showSample(message);
}

function showProgress({ loaded, total }) {
  const megabytes = (bytes) => (bytes / 1e6).toFixed(1);
  progress.max = total;
  progress.value = loaded;
  progress.hidden = loaded === total;
  const rest = loaded === total ? "Starting the model ..." : `${megabytes(loaded)} of ${megabytes(total)} MB`;
  say(loaded === total ? rest : `Loading the model: ${rest}`);
}

function ready() {
  isReady = true;
  progress.hidden = true;
  say(asked.samples ? "Drawing ..." : "");
  // Now all files are loaded, so that the next visit needs no connection.
  navigator.serviceWorker?.register("service_worker.js").catch(() => {});
  navigator.serviceWorker?.ready.then(() => {
    document.querySelector("#offline").hidden = false;
  });
}

// Reads the form; requests pictures from the worker, or shows a message that says what to change.
function draw() {
  asked = { request: asked.request + 1 };
  let pieces = [];
  try {
    const caption = checkedCaption(fields.caption.value);
    pieces = tokenizer.pieces(caption);
    if (!pieces.some((piece) => piece.isWord)) {
      throw Error(
        `Expected words in the caption. Received: ${shortened(caption)}. Letters and digits make ` +
          "words; emoji and punctuation do not.",
      );
    }
    const known = pieces.filter((piece) => piece.id !== null);
    if (!known.length) {
      throw Error(`This model knows none of these words. Try: ${site.examples[0]}.`);
    }
    const seed = checkedSeed(fields.seed.value);
    if (failure) throw Error(failure);
    asked = { ...asked, pieces, known, seed, samples: Number(fields.samples.value), seconds: 0 };
  } catch (error) {
    say("");
    result.replaceChildren(messageMarkup(pieces, tokenizer, error.message));
    worker?.postMessage({ request: asked.request, samples: 0 }); // cancels the current request
    return;
  }
  if (isReady) say("Drawing ...");
  const { request, known, seed, samples } = asked;
  worker.postMessage({ request, ids: known.map((piece) => piece.id), seed, samples });
}

function checkedCaption(text) {
  const caption = text.trim().replace(/\s+/g, " ");
  if (!caption) throw Error("The caption is empty. Describe the picture to draw.");
  return caption;
}

function checkedSeed(text) {
  const seed = text.trim();
  if (!/^\d+$/.test(seed) || Number(seed) > LARGEST_SEED) {
    const received = seed ? shortened(seed) : "nothing";
    throw Error(
      `Expected the seed, a whole number from 0 to ${LARGEST_SEED}. Received: ${received}.`,
    );
  }
  return Number(seed);
}

function showSample({ sample, drawing, seconds }) {
  const { pieces, known, seed, samples } = asked;
  if (sample === 0) {
    asked.shown = resultMarkup(pieces, tokenizer, samples);
    result.replaceChildren(asked.shown);
  }
  const words = known.map((piece) => piece.text);
  addSample(asked.shown, sample, seed, words, drawing, site.refinement);
  asked.seconds += seconds;
  const each = (asked.seconds / (sample + 1)).toFixed(2);
  const isLast = sample + 1 === samples;
  const drawn = `${samples === 1 ? "One picture" : `${samples} pictures`}, ${each} s each`;
  say(isLast ? `${drawn}, drawn on this device.` : `Drawing sample ${sample + 2} of ${samples} ...`);
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  if (tokenizer) draw();
});
document.querySelector("#next").addEventListener("click", () => {
  const seed = Number(fields.seed.value);
  fields.seed.value = Number.isInteger(seed) && seed >= 0 && seed < LARGEST_SEED ? seed + 1 : 0;
  if (tokenizer) draw();
});
for (const example of document.querySelectorAll(".web-example")) {
  example.addEventListener("click", () => {
    fields.caption.value = example.textContent;
    if (tokenizer) draw();
  });
}
fields.samples.addEventListener("input", () => {
  document.querySelector("#number").textContent = fields.samples.value;
});
start().catch((error) => fail(error.message));
