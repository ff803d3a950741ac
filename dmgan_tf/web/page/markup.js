// Pictures, words and rankings as elements, the same as those of dmgan_tf/demo/markup.py;
// pointing.js, a script of the demo, finds them by these classes and handles pointer events.

import { shortened } from "./tokenizer.js";

const LISTED_WORDS = 5; // as many as the paper's Figure 6 lists

// Returns an element; children are elements or text. Properties that are null or undefined are skipped.
export function element(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (value === null || value === undefined) continue;
    if (key in made) made[key] = value;
    else made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

const note = (text) => element("p", { className: "dm-note" }, text);

// Returns a caption, known words as buttons, dropped ones struck through, and the reason.
export function captionMarkup(pieces, tokenizer) {
  if (!pieces.length) return [];
  let place = 0;
  const parts = pieces.map((piece) => {
    if (piece.id !== null) {
      const button = element("button", { type: "button", className: "dm-word" }, piece.text);
      button.dataset.word = place++;
      return button;
    }
    if (piece.isBeyond) return element("s", { className: "dm-unknown" }, shortened(piece.text));
    if (!piece.isWord) return piece.text;
    const title = "unknown to this model";
    return element("s", { className: "dm-unknown", title }, piece.text);
  });
  const nodes = [element("p", { className: "dm-caption", dir: "auto" }, ...parts)];
  if (pieces.some((piece) => piece.isWord && piece.id === null)) {
    nodes.push(note("Struck through: not in this model's vocabulary, and dropped."));
  }
  if (pieces.some((piece) => piece.isBeyond)) {
    nodes.push(
      note(
        `Cut: only the first ${tokenizer.mostWords} known words within the first ` +
          `${tokenizer.mostCharacters} characters are read.`,
      ),
    );
  }
  return nodes;
}

// Returns the elements for a caption that could not be drawn, with the message.
export function messageMarkup(pieces, tokenizer, message) {
  const text = element("p", { className: "dm-message", role: "alert" }, message);
  return element("div", { className: "dm-result" }, ...captionMarkup(pieces, tokenizer), text);
}

// Returns the element of a caption's result, to which `addSample` adds one sample after another.
export function resultMarkup(pieces, tokenizer, numSamples) {
  const thumbnails = element("div", { className: "dm-thumbnails", role: "group" });
  thumbnails.setAttribute("aria-label", "samples");
  const rows = numSamples > 1 ? [thumbnails] : [];
  return element("div", { className: "dm-result" }, ...captionMarkup(pieces, tokenizer), ...rows);
}

// Adds a sample to a result; the first one is selected.
export function addSample(result, sample, seed, words, drawing, refinement) {
  const last = drawing.stages.at(-1);
  const image = element("img", { alt: `sample ${sample + 1}`, src: last.source });
  const label = element("span", {}, `Sample ${sample + 1}`);
  const thumbnail = element("button", { type: "button", className: "dm-thumbnail" }, image, label);
  thumbnail.dataset.sample = sample;
  thumbnail.setAttribute("aria-pressed", String(sample === 0));
  result.querySelector(".dm-thumbnails")?.append(thumbnail);
  const section = element(
    "section",
    { className: "dm-sample", hidden: sample > 0 },
    element("h3", {}, `Sample ${sample + 1}, seed ${seed}`),
    element("p", { className: "dm-hint" }, hint(drawing.stages.length)),
    element("div", { className: "dm-stages" }, ...drawing.stages.map(stageMarkup(sample))),
    ...rankings(drawing.stages.slice(1), labelsOf(words), refinement),
  );
  section.dataset.sample = sample;
  result.append(section);
}

function hint(numStages) {
  if (numStages === 1) {
    return "This model draws in one stage, from the whole sentence; it does not use single words.";
  }
  return (
    "Point at a refined picture to see the most relevant word at that place, or at a word of the " +
    "caption to see where it is relevant."
  );
}

const stageMarkup = (sample) => (stage, number) => {
  const name = number ? `Refinement ${number}` : "Initial image";
  // The arrow keys move the selected place.
  const byKeys = { tabIndex: 0, role: "group", "aria-label": `${name}: words by place` };
  const image = element("img", { alt: `sample ${sample + 1}, ${name}`, src: stage.source });
  const picture = element("div", { className: "dm-picture", ...(number ? byKeys : {}) }, image);
  if (number) {
    const bubble = element("span", { className: "dm-bubble", hidden: true });
    picture.append(element("canvas", { "aria-hidden": "true" }), bubble);
  }
  const below = number ? "" : "drawn from the sentence as a whole";
  const reading = element("span", { className: "dm-reading", "aria-live": "polite" }, below);
  const title = element("b", {}, name);
  const figure = element(
    "figure",
    { className: number ? "dm-stage dm-read" : "dm-stage" },
    picture,
    element("figcaption", {}, title, ` ${stage.size} px`, reading),
  );
  figure.maps = stage.map;
  return figure;
};

// Numbers repeated words: two "a" are two slots of the memory.
function labelsOf(words) {
  return words.map((word, place) => {
    const met = words.slice(0, place).filter((other) => other === word).length;
    return met ? `${word} (${met + 1})` : word;
  });
}

function rankings(refinements, labels, refinement) {
  if (!refinements.length) return [];
  const reading = refinement === "memory" ? "Key addressing" : "Word attention";
  const hasGates = refinements.some(({ gates }) => gates);
  const blocks = refinements.map(({ gates, map }, number) => {
    const lists = gates ? [list("Memory writing", labels, gates)] : [];
    lists.push(list(reading, labels, map.means));
    return element(
      "div",
      { className: "dm-ranking" },
      element("h4", {}, `Refinement ${number + 1}`),
      element("div", { className: "dm-lists" }, ...lists),
    );
  });
  const writing =
    "Memory writing ranks words by their gate, the word's weight in its slot of the memory. ";
  return [
    element("h3", {}, "The most relevant words"),
    element("div", { className: "dm-rankings" }, ...blocks),
    note(
      `${hasGates ? writing : ""}${reading} ranks them by their mean attention weight over the ` +
        "picture. A bar goes from the caption's least relevant word to its most relevant one.",
    ),
  ];
}

// The words with the greatest values, each with a bar and its value in percent.
function list(name, labels, values) {
  const percent = values.map((value) => 100 * value);
  const low = Math.min(...percent);
  const spread = Math.max(...percent) - low;
  const decimals = spread > 0 ? 1 - Math.floor(Math.log10(spread)) : 1; // enough to distinguish them
  const order = [...percent.keys()].sort((a, b) => percent[b] - percent[a] || a - b);
  const items = order.slice(0, LISTED_WORDS).map((place) => {
    const bar = element("i");
    bar.style.width = `${spread > 0 ? 4 + (96 * (percent[place] - low)) / spread : 100}%`;
    const value = percent[place].toFixed(Math.min(5, Math.max(1, decimals)));
    return element("li", {}, bar, element("span", {}, labels[place]), element("span", {}, `${value} %`));
  });
  const title = element("h5", {}, name);
  return element("div", { className: "dm-list" }, title, element("ol", {}, ...items));
}
