// The model off the page's own thread, so that typing never stalls.
//
// In:  {read: id, text}     answer a text; only the newest is worked on
//      {logits: id, texts}  raw logits of many texts (the parity check of an export)
// Out: {loading: bytes, of: bytes} · {ready: settings, ms} · {failed: message}
//      {answer: id, ...answer, ms} · {words: id, spans} · {logits: id, rows}

import { EmotionModel, FILES } from "./emotion.js";
import { weigh } from "./words.js";

const doorbell = new MessageChannel();
let newest = null;
let working = false;

const loading = load();

async function load() {
  const start = performance.now();
  try {
    const model = await EmotionModel.load(reader());
    postMessage({ ready: model.settings, ms: performance.now() - start });
    return model;
  } catch (error) {
    postMessage({ failed: String(error?.message ?? error) });
    return null;
  }
}

/** Reads files of this folder and tells how far the big ones are. */
function reader() {
  const seen = { done: 0, of: 0 };
  const tell = () => postMessage({ loading: seen.done, of: seen.of });
  return async (path) => {
    const response = await fetch(new URL(path, import.meta.url));
    if (!response.ok) throw new Error(`${path}: the server answers ${response.status}`);
    const length = Number(response.headers.get("Content-Length"));
    if (path === FILES.settings || !response.body || !length) return new Uint8Array(await response.arrayBuffer());
    seen.of += length;
    const pieces = [];
    for (const stream = response.body.getReader(); ; ) {
      const { done, value } = await stream.read();
      if (done) break;
      pieces.push(value);
      seen.done += value.length;
      tell();
    }
    return new Uint8Array(await new Blob(pieces).arrayBuffer());
  };
}

onmessage = async ({ data }) => {
  const model = await loading;
  if (!model) return;
  if (data.logits !== undefined) {
    const rows = [];
    for (const text of data.texts) rows.push(Array.from(await model.logits(text)));
    postMessage({ logits: data.logits, rows });
    return;
  }
  newest = data;
  if (working) return; // the loop below comes to it
  working = true;
  for (let job = null; job !== newest; ) {
    job = newest;
    try {
      await work(model, job);
    } catch (error) {
      postMessage({ failed: String(error?.message ?? error) });
    }
  }
  working = false;
};

async function work(model, { read: id, text }) {
  const start = performance.now();
  const answer = await model.answer(text);
  postMessage({ answer: id, ...answer, ms: performance.now() - start });
  if (answer.reason === "empty" || answer.reason === "unreadable") return;
  const spans = await weigh(model, text, answer, async () => {
    await turn();
    return newest.read === id;
  });
  if (spans) postMessage({ words: id, spans });
}

/** Lets messages that wait come in: a promise alone would not, and a timer waits longer than a word takes. */
const turn = () =>
  new Promise((resolve) => {
    doorbell.port1.onmessage = resolve;
    doorbell.port2.postMessage(null);
  });
