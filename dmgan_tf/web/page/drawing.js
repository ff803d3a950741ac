// Converts the network's outputs for one picture to PNG files, attention maps and gates.

const LARGEST_MAP = 64; // cells per side; a pointer is not more exact

let crcTable;
function crc32(bytes) {
  crcTable ??= Uint32Array.from({ length: 256 }, (_, value) => {
    for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
    return value;
  });
  return ~bytes.reduce((crc, byte) => crcTable[(crc ^ byte) & 255] ^ (crc >>> 8), -1) >>> 0;
}

function chunk(name, data) {
  const bytes = new Uint8Array(data.length + 12);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, data.length);
  bytes.set(Array.from(name, (letter) => letter.charCodeAt(0)), 4);
  bytes.set(data, 8);
  view.setUint32(data.length + 8, crc32(bytes.subarray(4, data.length + 8)));
  return bytes;
}

// Returns pixels in [-1, 1] as a PNG file in a `data:` URL. A canvas could write one, but some
// browsers change the pixels that a page reads from a canvas, to prevent fingerprinting.
async function pngOf(pixels, side) {
  const rows = new Uint8Array(side * (3 * side + 1)); // each row begins with its filter, 0
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < 3 * side; x++) {
      const level = Math.round((pixels[3 * side * y + x] + 1) * 127.5);
      rows[y * (3 * side + 1) + 1 + x] = Math.min(255, Math.max(0, level));
    }
  }
  const packing = new Blob([rows]).stream().pipeThrough(new CompressionStream("deflate"));
  const packed = new Uint8Array(await new Response(packing).arrayBuffer());
  const header = new Uint8Array([0, 0, 0, 0, 0, 0, 0, 0, 8, 2, 0, 0, 0]); // 8 bits, RGB
  const view = new DataView(header.buffer);
  view.setUint32(0, side);
  view.setUint32(4, side);
  const signature = new Uint8Array([137, 80, 78, 71, 13, 10, 26, 10]);
  const parts = [signature, chunk("IHDR", header), chunk("IDAT", packed), chunk("IEND", [])];
  return new FileReaderSync().readAsDataURL(new Blob(parts, { type: "image/png" }));
}

// Returns the attention of each place of a picture to the words, for pointing.js: one byte per cell
// and word, 255 at the peak; the index of each cell's first word; and the mean weight of each word.
//
// scores: attention weights `(side, side, length)`, those of the known words first.
export function mapOf(scores, side, numWords, length) {
  const step = Math.max(1, Math.floor(side / LARGEST_MAP));
  const cells = side / step; // both are powers of two
  const sums = new Float64Array(cells * cells * numWords);
  const means = new Float64Array(numWords);
  for (let place = 0; place < side * side; place++) {
    const y = Math.floor(place / side / step);
    const cell = y * cells + Math.floor((place % side) / step);
    for (let word = 0; word < numWords; word++) {
      const share = scores[place * length + word];
      sums[cell * numWords + word] += share / (step * step);
      means[word] += share / (side * side);
    }
  }
  const peak = sums.reduce((a, b) => Math.max(a, b));
  const shares = Uint8Array.from(sums, (share) => Math.round((share / peak) * 255));
  const top = Uint8Array.from({ length: cells * cells }, (_, cell) => {
    const ofCell = sums.subarray(cell * numWords, (cell + 1) * numWords);
    return ofCell.indexOf(ofCell.reduce((a, b) => Math.max(a, b)));
  });
  return { side: cells, words: numWords, peak, shares, top, means: Array.from(means) };
}

// Returns `stages`: for each its `size` and the `source` of its picture, and for refinements the
// `map` of `mapOf` and `gates`, the writing gate of each word, null if there is none.
//
// values: the network's outputs by name, float32. sizes: of the stages. numWords: the number of known
// words. length: the number of words of the network's input.
export async function drawingOf(values, sizes, numWords, length) {
  const stages = [];
  for (const [number, size] of sizes.entries()) {
    const source = await pngOf(values[`images_${size}`], size);
    const read = sizes[number - 1]; // a refinement attends to words at the size of its input
    const map = number ? mapOf(values[`attention_scores_${read}`], read, numWords, length) : null;
    const gates = number ? values[`word_gates_${read}`] : undefined;
    stages.push({ size, source, map, gates: gates ? Array.from(gates.slice(0, numWords)) : null });
  }
  return { stages };
}
