// What carries an answer: leave each word out, and see how far the score of the answer falls.

import { sentenceEnds } from "./documents.js";

/** With more words than this, whole sentences are left out instead. */
export const MOST_WORDS = 60;
/** With more sentences than this nothing is measured: it would take seconds. */
export const MOST_SENTENCES = 60;

/** Spans of a text to leave out, as [start, end] in UTF-16 units; none where there is nothing to compare. */
export function spans(text) {
  const words = Array.from(text.matchAll(/\S+/g), (match) => [match.index, match.index + match[0].length]);
  if (words.length <= MOST_WORDS) return words.length > 1 ? words : [];
  const chars = Array.from(text);
  const out = [];
  let at = 0;
  let start = 0;
  let position = 0;
  for (const end of [...sentenceEnds(chars), chars.length]) {
    while (at < end) position += chars[at++].length;
    const left = start + text.slice(start, position).search(/\S|$/);
    const right = start + text.slice(start, position).trimEnd().length;
    if (right > left) out.push([left, right]);
    start = position;
  }
  return out.length > 1 && out.length <= MOST_SENTENCES ? out : [];
}

/**
 * How much of the answer's score each span carries.
 * @param {import("./emotion.js").EmotionModel} model
 * @param {() => Promise<boolean>} wanted asked between two runs; false ends the work.
 * @returns {Promise<{start: number, end: number, drop: number}[]|null>} `drop` is the score of the answer minus the
 *   score without the span, and may be negative; null where the work was ended.
 */
export async function weigh(model, text, answer, wanted) {
  const out = [];
  for (const [start, end] of spans(text)) {
    if (!(await wanted())) return null;
    const without = await model.answer(text.slice(0, start) + text.slice(end));
    out.push({ start, end, drop: answer.score - without.scores[answer.label] });
  }
  return out;
}
