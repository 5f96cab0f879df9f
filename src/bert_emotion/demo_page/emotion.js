// The classifier: a text in, an answer out. The same as classifier.py, in the browser or in Node.

import * as ort from "./runtime/ort.wasm.min.mjs";

import { combine, windows } from "./documents.js";
import { Tokenizer } from "./tokenizer.js";

const UNREADABLE_SHARE = 0.5;

export const FILES = {
  settings: "demo.json",
  tokenizer: "model/tokenizer.json",
  network: "model/onnx/model_quantized.onnx",
  runtime: "runtime/ort-wasm-simd-threaded.wasm.gz",
};

export class EmotionModel {
  /**
   * @param {(path: string) => Promise<Uint8Array>} read gives the bytes of a file of the folder.
   */
  static async load(read) {
    const [settings, tokenizer, network, runtime] = await Promise.all([
      read(FILES.settings).then(json),
      read(FILES.tokenizer).then(json),
      read(FILES.network),
      read(FILES.runtime).then(unpacked),
    ]);
    ort.env.wasm.numThreads = 1; // a text is too small a task to share, and threads need special headers
    ort.env.wasm.wasmBinary = runtime;
    ort.env.wasm.wasmPaths = { mjs: new URL("./runtime/ort-wasm-simd-threaded.mjs", import.meta.url).href };
    const session = await ort.InferenceSession.create(network, { executionProviders: ["wasm"] });
    const model = new EmotionModel(settings, new Tokenizer(tokenizer), session);
    await model.answer("warm up");
    return model;
  }

  constructor(settings, tokenizer, session) {
    this.settings = settings;
    this.tokenizer = tokenizer;
    this.session = session;
    const names = settings.labels.map(({ label }) => label.toLowerCase());
    this.neutral = names.indexOf("neutral");
    // nothing was read: every label alike, Neutral a little ahead so that the answer is defined
    const even = this.neutral < 0 ? 1 / names.length : (0.07 * 13) / names.length;
    this.nothingRead = names.map((_, i) => (settings.multi_label ? 0 : even + (i === this.neutral ? 0.09 : 0)));
  }

  /** Raw logits, Float32Array (labels,), of a text cut behind the model's longest input. */
  async logits(text) {
    return this.#run(this.tokenizer.encode(text).ids.slice(0, this.settings.max_length - 2));
  }

  /**
   * Answer a text.
   * @returns {Promise<{label: number, score: number, scores: number[], raw: number, reason: string|null,
   *   labels: number[]|null, windows: number, tokens: number}>} labels by their place in the settings; `reason` as
   *   in Python: null, "low_confidence", "empty" or "unreadable".
   */
  async answer(text) {
    const tokens = this.tokenizer.encode(text);
    if (!tokens.ids.length) return this.#shape(this.nothingRead, "empty", this.nothingRead, 0, 0);
    const parts = windows(tokens, this.settings.max_length - 2);
    const rows = [];
    for (const part of parts) rows.push(this.#probabilities(await this.#run(part)));
    let scores = rows[0];
    if (rows.length > 1 && this.settings.multi_label) {
      scores = scores.map((_, label) => Math.max(...rows.map((row) => row[label])));
    } else if (rows.length > 1) {
      scores = combine(
        rows,
        parts.map((part) => part.length),
        this.neutral,
      );
    }
    if (tokens.unknown > UNREADABLE_SHARE) {
      return this.#shape(this.nothingRead, "unreadable", scores, parts.length, tokens.ids.length);
    }
    return this.#shape(scores, null, scores, parts.length, tokens.ids.length);
  }

  async #run(ids) {
    const row = [this.tokenizer.cls, ...ids, this.tokenizer.sep];
    const shape = [1, row.length];
    const { logits } = await this.session.run({
      input_ids: new ort.Tensor("int64", BigInt64Array.from(row, BigInt), shape),
      attention_mask: new ort.Tensor("int64", new BigInt64Array(row.length).fill(1n), shape),
    });
    return logits.data;
  }

  #probabilities(logits) {
    const scaled = Array.from(logits, (value) => value / this.settings.temperature);
    if (this.settings.multi_label) return scaled.map((value) => 1 / (1 + Math.exp(-value)));
    const top = Math.max(...scaled);
    const exps = scaled.map((value) => Math.exp(value - top));
    const sum = exps.reduce((a, b) => a + b, 0);
    return exps.map((value) => value / sum);
  }

  #shape(scores, reason, raw, windows, tokens) {
    const label = best(scores);
    const score = scores[label];
    const { multi_label: multi, label_thresholds: thresholds, threshold } = this.settings;
    return {
      label,
      score,
      scores,
      raw: best(raw),
      reason: reason ?? (score < threshold ? "low_confidence" : null),
      labels: multi ? scores.flatMap((found, i) => (found >= thresholds[i] ? [i] : [])) : null,
      windows,
      tokens,
    };
  }
}

const best = (scores) => scores.indexOf(Math.max(...scores));
const json = (bytes) => JSON.parse(new TextDecoder().decode(bytes));

/** Bytes of a gzip file; a server may have unpacked it already. */
async function unpacked(bytes) {
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes;
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}
