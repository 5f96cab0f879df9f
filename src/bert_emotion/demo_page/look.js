// How emotions look: a colour each (hue and chroma of oklch), and texts to try.

const COLOURS = {
  Sadness: [258, 0.13],
  Anger: [25, 0.18],
  Love: [2, 0.17],
  Surprise: [222, 0.13],
  Fear: [298, 0.15],
  Happiness: [88, 0.15],
  Neutral: [85, 0.015],
  Disgust: [138, 0.15],
  Shame: [335, 0.12],
  Guilt: [278, 0.08],
  Confusion: [188, 0.11],
  Desire: [48, 0.17],
  Sarcasm: [115, 0.13],
};

/** Hue and chroma of a label; labels of somebody's own set share the circle evenly. */
export function colour(label, place, of) {
  return COLOURS[label] ?? [(25 + (360 * place) / of) % 360, 0.13];
}

export const EXAMPLES = [
  "I feel so alone right now.",
  "wait she's your SISTER??",
  "great, another monday. can't wait.",
  "there's mold in the coffee pot, i almost drank it",
  "SO PROUD OF MY SON TODAY 🎉",
  "i miss u sm :(",
  "I should have visited her before she died, and I never did.",
  "🤢🤮",
];
