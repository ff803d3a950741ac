// Converts captions to word ids by the rule of `dmgan_tf/text`, like Python and the exported models.

const LONGEST_SHOWN = 80; // characters of a text in a message

// Returns the beginning of a text, for a readable message.
export function shortened(text) {
  const characters = Array.from(text);
  if (characters.length <= LONGEST_SHOWN) return text;
  return `${characters.slice(0, LONGEST_SHOWN - 3).join("")}...`;
}

// settings: those of `tokenizer.json`; see dmgan_tf/serving/text_files.py.
// words: the vocabulary, padding first; the index of a word is its id.
// mostWords: the largest number of known words that are read of a caption.
export class Tokenizer {
  constructor(settings, words, mostWords) {
    this.pattern = new RegExp(settings.word_pattern, "gu");
    this.form = settings.normalization;
    this.mostCharacters = settings.most_characters;
    this.mostWords = mostWords;
    this.ids = new Map(words.map((word, id) => [this.spelled(word), id]));
  }

  // A word has one id in all equivalent spellings, unless the vocabulary contains two of one word.
  spelled(word) {
    return this.form ? word.normalize(this.form) : word;
  }

  // Returns the lower-case words of a caption, known or not.
  split(caption) {
    return Array.from(caption.matchAll(this.pattern), ([word]) => word.toLowerCase());
  }

  // Splits a caption into pieces; their texts, joined, are the caption. A piece has `text`; `isWord`;
  // `id`, null except for known words; `isBeyond`, true for the text beyond the limits.
  pieces(caption) {
    let read = Array.from(caption).slice(0, this.mostCharacters).join("");
    const pieces = [];
    let end = 0;
    let numKnown = 0;
    const add = (text, isWord, id = null, isBeyond = false) => {
      if (text) pieces.push({ text, isWord, id, isBeyond });
    };
    for (const { 0: word, index } of read.matchAll(this.pattern)) {
      const id = this.ids.get(this.spelled(word.toLowerCase())) ?? null;
      if (id !== null && numKnown === this.mostWords) {
        read = read.slice(0, end);
        break;
      }
      add(read.slice(end, index), false);
      add(word, true, id);
      end = index + word.length;
      numKnown += id !== null;
    }
    add(read.slice(end), false);
    add(caption.slice(read.length), false, null, true);
    return pieces;
  }
}
