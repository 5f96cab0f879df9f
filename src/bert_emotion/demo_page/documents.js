// Long texts: cut into sentence windows, and the windows' answers made into one. The same as documents.py.

// Python's white space: Unicode's, and four separators more.
const SENTENCE_END = /[.!?…。！？]+["'”’)\]]*(?=[\p{White_Space}\x1c-\x1f])|\n+/gu;

const NEUTRAL_SHARE = 0.25;

/** Positions, in characters, just behind each sentence of a text given as a list of characters. */
export function sentenceEnds(chars) {
  const text = chars.join("");
  const ends = [];
  let at = 0; // in characters
  let position = 0; // in UTF-16 units
  for (const match of text.matchAll(SENTENCE_END)) {
    const end = match.index + match[0].length;
    while (position < end) position += chars[at++].length;
    ends.push(at);
  }
  return ends;
}

/**
 * Cut a text's ids into windows of at most `size` tokens, of like length and at sentence ends where possible.
 * @param {{ids: number[], ends: number[], chars: string[]}} tokens the whole text, as the tokenizer gives it.
 * @returns {number[][]} joined they are `tokens.ids`; a text that fits is one window.
 */
export function windows({ ids, ends, chars }, size) {
  const total = ids.length;
  if (total <= size) return [ids];
  // index of the first token behind every sentence end
  const cuts = [];
  let token = 0;
  for (const end of sentenceEnds(chars)) {
    while (token < total && ends[token] <= end) token++;
    if (cuts[cuts.length - 1] !== token) cuts.push(token);
  }
  const out = [];
  let start = 0;
  let first = 0; // index of the first cut that may lie ahead
  while (start < total) {
    const left = total - start;
    if (left <= size) {
      out.push(ids.slice(start));
      break;
    }
    const wanted = start + Math.ceil(left / Math.ceil(left / size)); // even share of what is left
    while (first < cuts.length && cuts[first] <= start) first++;
    let end = start + size;
    let best = Infinity;
    for (let i = first; i < cuts.length && cuts[i] <= start + size; i++) {
      const distance = Math.abs(cuts[i] - wanted);
      if (distance < best) [best, end] = [distance, cuts[i]];
    }
    out.push(ids.slice(start, end));
    start = end;
  }
  return out;
}

/**
 * One answer for a text out of its windows' answers: a window weighs by its length and by how little neutral it is.
 * @param {number[][]} probabilities one row a window, each summing to 1.
 * @param {number[]} lengths tokens of each window.
 * @param {number} neutral column of Neutral, or -1.
 */
export function combine(probabilities, lengths, neutral) {
  const weights = probabilities.map(
    (row, i) => lengths[i] * (neutral < 0 ? 1 : 1 - (1 - NEUTRAL_SHARE) * row[neutral]),
  );
  const sum = weights.reduce((a, b) => a + b, 0);
  return probabilities[0].map((_, label) => probabilities.reduce((all, row, i) => all + weights[i] * row[label], 0) / sum);
}
