// Text to token ids, as the Python side's `tokenizers` library reads the same tokenizer.json.
//
// The text is kept as a list of [character, end] pairs, where `end` is the position in the original text (in
// characters) just behind what the character came from: long texts are cut at sentence ends by it.
//
// Classes and forms of characters are those of the browser's Unicode, the library knows an older one: marks and
// punctuation of scripts encoded since may be read as another number of unknown tokens.

const PARTS = {
  normalizer: ["Sequence", "NFKC", "NFC", "NFD", "NFKD", "Lowercase", "StripAccents", "Replace", "BertNormalizer"],
  pre_tokenizer: ["Sequence", "Split", "BertPreTokenizer"],
};

// Oniguruma's classes are Unicode's, those of JavaScript are ASCII's.
const CLASSES = {
  w: ["\\p{L}\\p{M}\\p{N}\\p{Pc}", "[", "]"],
  W: ["\\p{L}\\p{M}\\p{N}\\p{Pc}", "[^", "]"],
  s: ["\\p{White_Space}", "[", "]"],
  S: ["\\p{White_Space}", "[^", "]"],
  d: ["\\p{Nd}", "[", "]"],
  D: ["\\p{Nd}", "[^", "]"],
};
const SYNTAX = "^$\\.*+?()[]{}|/";

/** An Oniguruma pattern as a JavaScript one: the same for what classes, groups, looks and back references do. */
export function pattern(source) {
  let out = "";
  let inside = false;
  for (let i = 0; i < source.length; i++) {
    const char = source[i];
    if (char === "\\") {
      const next = source[++i];
      const known = CLASSES[next];
      if (known && inside && next === next.toUpperCase()) throw new Error(`\\${next} inside a class is not supported`);
      if (known) out += inside ? known[0] : known[1] + known[0] + known[2];
      else if (/[0-9A-Za-z]/.test(next) || SYNTAX.includes(next) || (inside && next === "-")) out += "\\" + next;
      else out += next;
    } else {
      if (char === "[" && !inside) inside = true;
      else if (char === "[" && inside) throw new Error("a class inside a class is not supported");
      else if (char === "]") inside = false;
      out += char;
    }
  }
  return new RegExp(out, "gu");
}

const matcher = (given) =>
  given.Regex !== undefined ? pattern(given.Regex) : new RegExp(given.String.replace(/[\^$\\.*+?()[\]{}|/]/g, "\\$&"), "gu");

const textOf = (chars) => chars.map(([char]) => char).join("");

/** A Unicode normal form; in a group that changes, characters keep their place, and more end where the group ends. */
function form(chars, name) {
  const out = [];
  const text = textOf(chars);
  if (text.normalize(name) === text) return chars;
  for (let i = 0; i < chars.length; ) {
    let next = i + 1;
    while (next < chars.length && joins(chars[next - 1][0], chars[next][0], name)) next++;
    const group = chars.slice(i, next);
    const before = textOf(group);
    const after = before.normalize(name);
    if (after === before) out.push(...group);
    else Array.from(after).forEach((char, k) => out.push([char, group[Math.min(k, group.length - 1)][1]]));
    i = next;
  }
  return out;
}

// Two characters belong together where normalising them side by side is another thing than one by one; a mark
// always belongs to what stands before it, as marks may change places.
const joins = (left, right, name) =>
  /\p{M}/u.test(right) || (left + right).normalize(name) !== left.normalize(name) + right.normalize(name);

function replace(chars, expression, content) {
  const text = textOf(chars);
  const out = [];
  let at = 0; // index into chars
  let position = 0; // index into text, in UTF-16 units
  for (const match of text.matchAll(expression)) {
    while (position < match.index) {
      position += chars[at][0].length;
      out.push(chars[at++]);
    }
    const end = match.index + match[0].length;
    while (position < end) position += chars[at++][0].length;
    const behind = at > 0 ? chars[at - 1][1] : 0;
    for (const char of content) out.push([char, behind]);
  }
  return at === 0 && out.length === 0 ? chars : out.concat(chars.slice(at));
}

const each = (chars, change) => chars.flatMap(([char, end]) => Array.from(change(char), (found) => [found, end]));

const isControl = (char) => char !== "\t" && char !== "\n" && char !== "\r" && /[\p{Cc}\p{Cf}\p{Co}]/u.test(char);
const CHINESE =
  /[\u{4E00}-\u{9FFF}\u{3400}-\u{4DBF}\u{20000}-\u{2A6DF}\u{2A700}-\u{2B73F}\u{2B740}-\u{2B81F}\u{2B920}-\u{2CEAF}\u{F900}-\u{FAFF}\u{2F800}-\u{2FA1F}]/u;

function bertNormalizer(options) {
  const strip = options.strip_accents ?? options.lowercase;
  return (chars) => {
    let out = chars;
    if (options.clean_text) {
      out = out
        .filter(([char]) => char !== "\0" && char !== "\uFFFD" && !isControl(char))
        .map(([char, end]) => [/\p{White_Space}/u.test(char) ? " " : char, end]);
    }
    if (options.handle_chinese_chars) out = each(out, (char) => (CHINESE.test(char) ? ` ${char} ` : char));
    if (strip) out = form(out, "NFD").filter(([char]) => !/\p{Mn}/u.test(char));
    if (options.lowercase) out = each(out, (char) => char.toLowerCase());
    return out;
  };
}

function normalizer(given) {
  switch (given?.type) {
    case undefined:
      return (chars) => chars;
    case "Sequence": {
      const steps = given.normalizers.map(normalizer);
      return (chars) => steps.reduce((text, step) => step(text), chars);
    }
    case "NFKC":
    case "NFC":
    case "NFD":
    case "NFKD":
      return (chars) => form(chars, given.type);
    case "Lowercase":
      return (chars) => each(chars, (char) => char.toLowerCase());
    case "StripAccents":
      return (chars) => chars.filter(([char]) => !/\p{Mn}/u.test(char));
    case "Replace": {
      const expression = matcher(given.pattern);
      return (chars) => replace(chars, expression, given.content);
    }
    case "BertNormalizer":
      return bertNormalizer(given);
    default:
      throw new Error(`the normalizer ${given.type} is not supported; there are ${PARTS.normalizer.join(", ")}`);
  }
}

const SPACE = /\p{White_Space}/u;
const MARK = /[!-/:-@[-`{-~\p{P}]/u;

/** Words of BERT: cut at white space, every punctuation mark by itself. */
function bertWords(chars) {
  const out = [];
  let word = [];
  for (const entry of chars) {
    const space = SPACE.test(entry[0]);
    const mark = MARK.test(entry[0]);
    if ((space || mark) && word.length) {
      out.push(word);
      word = [];
    }
    if (mark) out.push([entry]);
    else if (!space) word.push(entry);
  }
  if (word.length) out.push(word);
  return out;
}

/** Cut out every match as a piece of its own. */
function isolated(chars, expression) {
  const out = [];
  let at = 0;
  let position = 0;
  const upTo = (end) => {
    const start = at;
    while (position < end) position += chars[at++][0].length;
    if (at > start) out.push(chars.slice(start, at));
  };
  for (const match of textOf(chars).matchAll(expression)) {
    upTo(match.index);
    upTo(match.index + match[0].length);
  }
  if (at < chars.length) out.push(chars.slice(at));
  return out;
}

function preTokenizer(given) {
  switch (given?.type) {
    case "Sequence": {
      const steps = given.pretokenizers.map(preTokenizer);
      return (chars) => steps.reduce((pieces, step) => pieces.flatMap(step), [chars]);
    }
    case "Split": {
      if (given.behavior !== "Isolated" || given.invert) throw new Error(`Split ${given.behavior} is not supported`);
      const expression = matcher(given.pattern);
      return (chars) => isolated(chars, expression);
    }
    case "BertPreTokenizer":
      return bertWords;
    default:
      throw new Error(`the pre-tokenizer ${given?.type} is not supported; there are ${PARTS.pre_tokenizer.join(", ")}`);
  }
}

/** The longest pieces from the left, or one [UNK] for a word that they do not spell. */
function wordPieces(chars, model, vocabulary, unknown) {
  if (chars.length > model.max_input_chars_per_word) return [[unknown, chars[chars.length - 1][1]]];
  const out = [];
  for (let start = 0; start < chars.length; ) {
    let end = chars.length;
    let id;
    for (; end > start; end--) {
      const piece = textOf(chars.slice(start, end));
      id = vocabulary.get(start ? model.continuing_subword_prefix + piece : piece);
      if (id !== undefined) break;
    }
    if (id === undefined) return [[unknown, chars[chars.length - 1][1]]];
    out.push([id, chars[end - 1][1]]);
    start = end;
  }
  return out;
}

/** A text with surrogate pairs joined and lone surrogates replaced, so that it has a UTF-8 form. */
export const sound = (text) => text.replace(/\p{Surrogate}/gu, "\uFFFD");

export class Tokenizer {
  /** @param {object} file content of tokenizer.json; throws an Error that says which part is not supported. */
  constructor(file) {
    if (file.model?.type !== "WordPiece") throw new Error(`a ${file.model?.type} vocabulary is not supported`);
    this.model = file.model;
    this.vocabulary = new Map(Object.entries(file.model.vocab));
    this.normalize = normalizer(file.normalizer ?? undefined);
    this.words = preTokenizer(file.pre_tokenizer);
    this.added = [];
    for (const token of file.added_tokens ?? []) {
      if (token.normalized || token.lstrip || token.rstrip || token.single_word) {
        throw new Error(`the added token ${token.content} has options that are not supported`);
      }
      this.added.push([token.content, token.id]);
    }
    this.added.sort(([a], [b]) => b.length - a.length);
    const special = (name) => this.vocabulary.get(name) ?? new Map(this.added).get(name);
    [this.cls, this.sep, this.unk] = ["[CLS]", "[SEP]", file.model.unk_token].map(special);
  }

  /**
   * Tokens of a text, without the special ones.
   * @returns {{ids: number[], ends: number[], chars: string[], unknown: number}} ids; for every token the position
   *   just behind it in `chars`, the characters of the text; share of tokens that the vocabulary does not know.
   */
  encode(text) {
    const chars = Array.from(sound(text));
    const found = [];
    let start = 0;
    const read = (end) => {
      if (end === start) return;
      const piece = chars.slice(start, end).map((char, i) => [char, start + i + 1]);
      for (const word of this.words(this.normalize(piece))) {
        found.push(...wordPieces(word, this.model, this.vocabulary, this.unk));
      }
    };
    for (let at = 0; at < chars.length; ) {
      const token = this.added.find(([content]) => this.#standsAt(chars, at, content));
      if (token === undefined) {
        at++;
        continue;
      }
      read(at);
      at = start = at + Array.from(token[0]).length;
      found.push([token[1], start]);
    }
    read(chars.length);
    const ids = found.map(([id]) => id);
    const unknown = ids.length ? ids.filter((id) => id === this.unk).length / ids.length : 0;
    return { ids, ends: found.map(([, end]) => end), chars, unknown };
  }

  #standsAt(chars, at, content) {
    return chars[at] === content[0] && chars.slice(at, at + content.length).join("").startsWith(content);
  }
}
