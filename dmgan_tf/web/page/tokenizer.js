// Captions to word ids by the rule of `dmgan_tf/text`: what Python and the exported models read.

const LONGEST_SHOWN = 80; // characters of a text in a message

// Returns the beginning of a text, for a message that has to stay readable.
export function shortened(text) {
  const characters = Array.from(text);
  if (characters.length <= LONGEST_SHOWN) return text;
  return `${characters.slice(0, LONGEST_SHOWN - 3).join("")}...`;
}

// rule: `word`, a pattern of the longest words in names of classes; `classes`, for each name that
//   is not a general one ranges of code points, the first and the last of each.
// words: a vocabulary's, padding first; a word's place is its id.
// mostWords, mostCharacters: what is read of a caption.
export class Tokenizer {
  constructor(rule, words, mostWords, mostCharacters) {
    this.rule = rule;
    this.mostWords = mostWords;
    this.mostCharacters = mostCharacters;
    this.numWords = words.length - 1;
    // A word has one id in all equivalent spellings, unless the vocabulary holds two of one word.
    const composed = new Map(words.map((word, id) => [word.normalize("NFC"), id]));
    this.isAnySpellingKnown = composed.size === words.length;
    this.ids = this.isAnySpellingKnown ? composed : new Map(words.map((word, id) => [word, id]));
  }

  idOf(word) {
    return this.ids.get(this.isAnySpellingKnown ? word.normalize("NFC") : word);
  }

  // A space is a separator, `m` a mark, `w` all else that belongs to words but to no other class.
  classOf(character) {
    if (/^\p{M}$/u.test(character)) return "m";
    if (!/^[\p{L}\p{N}_]$/u.test(character)) return " ";
    const code = character.codePointAt(0);
    const isIn = ([, ranges]) => ranges.some(([first, last]) => first <= code && code <= last);
    return Object.entries(this.rule.classes).find(isIn)?.[0] ?? "w";
  }

  // Yields where each word begins and ends among an array of characters.
  *spans(characters) {
    const classes = characters.map((character) => this.classOf(character)).join("");
    for (const match of classes.matchAll(new RegExp(this.rule.word, "g"))) {
      yield [match.index, match.index + match[0].length];
    }
  }

  // Returns the lower-case words of a caption, known or not.
  split(caption) {
    const characters = Array.from(caption);
    return Array.from(this.spans(characters), ([start, stop]) =>
      characters.slice(start, stop).join("").toLowerCase(),
    );
  }

  // Returns the ids of the known words of a caption, as many as are read.
  encode(caption) {
    return this.pieces(caption).filter((piece) => piece.id !== null).map((piece) => piece.id);
  }

  // Takes a caption apart; the texts, joined, are the caption. A piece has its `text`; `isWord`;
  // `id`, null of all but known words; `isBeyond`, true of what a caption has beyond what is read.
  pieces(caption) {
    const characters = Array.from(caption);
    let read = Math.min(characters.length, this.mostCharacters);
    const text = (start, stop) => characters.slice(start, stop).join("");
    const pieces = [];
    let end = 0;
    let numKnown = 0;
    const add = (start, stop, isWord, id = null, isBeyond = false) => {
      if (start < stop) pieces.push({ text: text(start, stop), isWord, id, isBeyond });
    };
    for (const [start, stop] of this.spans(characters.slice(0, read))) {
      const id = this.idOf(text(start, stop).toLowerCase()) ?? null;
      if (id !== null && numKnown === this.mostWords) {
        read = end;
        break;
      }
      add(end, start, false);
      add(start, stop, true, id);
      end = stop;
      numKnown += id !== null;
    }
    add(end, read, false);
    add(read, characters.length, false, null, true);
    return pieces;
  }
}
