// Shows the most relevant word at a place of a picture, and the places where a word is relevant. The
// attention maps come with the picture (see markup.py), so no request to the server is needed.
// Results are replaced, so the document handles the events. The page that draws in the browser
// (dmgan_tf/web) also uses this script.
(() => {
  const VEIL = 0.72; // opacity over the other places
  const MOST_WORDS = 3; // listed for a place
  const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

  const bytes = (text) => Uint8Array.from(atob(text), (character) => character.charCodeAt(0));

  function mapsOf(stage) {
    const { side, words, peak, shares, top } = stage.dataset;
    stage.maps ??= {
      side: Number(side),
      words: Number(words),
      peak: Number(peak),
      shares: bytes(shares),
      top: bytes(top),
    };
    return stage.maps;
  }

  const wordButtons = (place) =>
    document.querySelectorAll(`.dm-caption .dm-word[data-word="${place}"]`);
  const wordText = (place) => wordButtons(place)[0]?.textContent ?? "";

  // Darkens each cell of a picture by 1 - `shown`, which is from 0 to 1.
  function veil(stage, shown) {
    const { side } = mapsOf(stage);
    const canvas = stage.querySelector("canvas");
    canvas.width = canvas.height = side;
    const pixels = new ImageData(side, side);
    for (let cell = 0; cell < side * side; cell++) {
      pixels.data[4 * cell + 2] = 24;
      pixels.data[4 * cell + 3] = Math.round(255 * VEIL * (1 - shown(cell)));
    }
    canvas.getContext("2d").putImageData(pixels, 0, 0);
  }

  function clear() {
    for (const canvas of document.querySelectorAll(".dm-read canvas")) canvas.width = 0;
    for (const bubble of document.querySelectorAll(".dm-bubble")) bubble.hidden = true;
    for (const reading of document.querySelectorAll(".dm-read .dm-reading")) reading.textContent = "";
    for (const button of document.querySelectorAll(".dm-lit")) button.classList.remove("dm-lit");
  }

  // The first words of a cell and their weights; the map of first words is more exact than the bytes.
  function readingOf(maps, cell) {
    const share = (place) => maps.shares[cell * maps.words + place];
    const first = maps.top[cell];
    return [...Array(maps.words).keys()]
      .sort((a, b) => (b === first) - (a === first) || share(b) - share(a))
      .slice(0, MOST_WORDS)
      .map((place) => `${wordText(place)} ${Math.round((share(place) / 255) * maps.peak * 100)} %`);
  }

  // Shows the most relevant words at a place; x and y from 0 to 1.
  function readPlace(picture, ...place) {
    const stage = picture.closest(".dm-read");
    const maps = mapsOf(stage);
    const [x, y] = place.map((at) =>
      Math.min(maps.side - 1, Math.max(0, Math.floor(at * maps.side))),
    );
    stage.place = [x, y];
    const first = maps.top[y * maps.side + x];
    clear();
    veil(stage, (cell) => (maps.top[cell] === first ? 1 : 0));
    for (const button of wordButtons(first)) button.classList.add("dm-lit");
    const bubble = stage.querySelector(".dm-bubble");
    bubble.textContent = wordText(first);
    bubble.hidden = false;
    bubble.style.left = `${((x + 0.5) / maps.side) * 100}%`;
    bubble.style.top = `${((y + 0.5) / maps.side) * 100}%`;
    bubble.classList.toggle("dm-below", y < maps.side / 4);
    stage.querySelector(".dm-reading").textContent = readingOf(maps, y * maps.side + x).join(" · ");
  }

  function showWord(button) {
    const place = Number(button.dataset.word);
    clear();
    button.classList.add("dm-lit");
    for (const stage of document.querySelectorAll(".dm-sample:not([hidden]) .dm-read")) {
      const { side, words, shares } = mapsOf(stage);
      const ofWord = Array.from({ length: side * side }, (_, cell) => shares[cell * words + place]);
      const least = Math.min(...ofWord);
      const spread = Math.max(...ofWord) - least || 1;
      veil(stage, (cell) => (ofWord[cell] - least) / spread);
      const mean = ofWord.reduce((sum, share) => sum + share, 0) / ofWord.length;
      const percent = Math.round((mean / 255) * mapsOf(stage).peak * 100);
      stage.querySelector(".dm-reading").textContent = `${wordText(place)}: ${percent} % of the attention`;
    }
  }

  function choose(thumbnail) {
    clear();
    const result = thumbnail.closest(".dm-result");
    for (const other of result.querySelectorAll(".dm-thumbnail")) {
      other.setAttribute("aria-pressed", String(other === thumbnail));
    }
    for (const sample of result.querySelectorAll(".dm-sample")) {
      sample.hidden = sample.dataset.sample !== thumbnail.dataset.sample;
    }
  }

  function point(event) {
    const target = event.target instanceof Element ? event.target : document.body;
    const picture = target.closest(".dm-read .dm-picture");
    const word = target.closest(".dm-caption .dm-word");
    if (picture) {
      const box = picture.getBoundingClientRect();
      readPlace(picture, (event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height);
    } else if (word) showWord(word);
    else if (!target.closest(".dm-stages")) clear();
  }

  document.addEventListener("pointermove", point);
  document.addEventListener("pointerdown", point);
  document.addEventListener("focusin", (event) => {
    if (event.target.matches(".dm-caption .dm-word")) showWord(event.target);
  });
  document.addEventListener("keydown", (event) => {
    const step = STEPS[event.key];
    const picture = event.target.closest?.(".dm-read .dm-picture");
    if (!step || !picture) return;
    event.preventDefault(); // the page would scroll
    const stage = picture.closest(".dm-read");
    const { side } = mapsOf(stage);
    const middle = [side / 2, side / 2];
    readPlace(picture, ...(stage.place ?? middle).map((at, axis) => (at + step[axis] + 0.5) / side));
  });
  document.addEventListener("click", (event) => {
    const thumbnail = event.target.closest(".dm-thumbnail");
    if (thumbnail) choose(thumbnail);
  });
})();
