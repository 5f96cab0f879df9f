// The page: what is typed goes to the worker, what comes back is shown.

import * as past from "./history.js";
import { EXAMPLES, colour } from "./look.js";

const $ = (id) => document.getElementById(id);
const percent = (share) => `${Math.round(share * 100)}\u00a0%`;
const QUIET_MS = 900; // a screen reader hears the answer when typing rests this long

// how far the answer's score falls without a word: from where on it is tinted, named, and tinted fully
const LEAST_DROP = 0.004;
const TELLING_DROP = 0.02;
const FULL_DROP = 0.08;

const worker = new Worker(new URL("worker.js", import.meta.url), { type: "module" });
const text = $("text");
let settings = null;
let asked = 0; // number of the newest question
let shown = null; // the newest answer, with its text
let speaking;

// --- what the worker says -----------------------------------------------------------------------------------

worker.onmessage = ({ data }) => {
  if (data.loading !== undefined) loading(data);
  else if (data.ready) ready(data.ready);
  else if (data.failed) failed(data.failed);
  else if (data.answer === asked) show(data);
  else if (data.words === asked) explain(data.spans);
};
worker.onerror = (event) => failed(event.message ?? "the worker cannot start");

function loading({ loading: done, of }) {
  $("status").textContent = `Loading ${(done / 1e6).toFixed(1)} of ${(of / 1e6).toFixed(1)} MB`;
  $("status").style.setProperty("--done", `${(100 * done) / of}%`);
}

function ready(found) {
  settings = found;
  document.body.dataset.ready = "";
  $("status").textContent = "Ready";
  $("model").textContent = `Model ${settings.name}, ${(settings.bytes / 1e6).toFixed(1)} MB.`;
  drawBars();
  if (settings.examples) drawExamples();
  drawPast();
  ask();
  keepOffline();
}

function failed(message) {
  $("trouble").textContent = `The model cannot be run: ${message}. Reload the page, or try a newer browser.`;
  $("trouble").hidden = false;
  if (!settings) $("status").textContent = "";
}

async function keepOffline() {
  if (!("serviceWorker" in navigator)) return;
  try {
    await navigator.serviceWorker.register("sw.js");
    await navigator.serviceWorker.ready;
    $("status").textContent = "Works offline";
    document.body.dataset.offline = "";
  } catch {
    // private windows and plain http refuse: the page works all the same while it is online
  }
}

// --- the question ---------------------------------------------------------------------------------------------

function ask() {
  const value = text.value;
  asked++;
  fit();
  $("clear").hidden = $("keep").hidden = value.trim() === "";
  wash(value, []);
  $("verdict").setAttribute("aria-busy", "true");
  if (settings) worker.postMessage({ read: asked, text: value });
}

function write(value) {
  text.value = value;
  ask();
}

text.addEventListener("input", ask);
text.addEventListener("change", keep); // the field is left
text.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  keep();
});
$("keep").addEventListener("click", keep);
$("clear").addEventListener("click", () => {
  write("");
  text.focus();
});

// --- the answer -----------------------------------------------------------------------------------------------

function show(answer) {
  shown = { ...answer, text: text.value };
  const { label, emoji } = settings.labels[answer.label];
  const idle = answer.reason === "empty";
  const unread = answer.reason === "unreadable";
  const state = idle ? "idle" : unread ? "unreadable" : answer.reason ? "unsure" : "sure";
  $("verdict").dataset.state = state;
  $("verdict").setAttribute("aria-busy", "false");
  if ($("emoji").dataset.label !== label + state) {
    $("emoji").dataset.label = label + state;
    $("emoji").textContent = idle ? "💬" : unread ? "🔤" : emoji;
    $("emoji").getAnimations().forEach((animation) => animation.finish());
    if (!matchMedia("(prefers-reduced-motion: reduce)").matches) {
      $("emoji").animate([{ transform: "scale(.82)" }, { transform: "scale(1)" }], { duration: 180, easing: "ease-out" });
    }
  }
  $("label").textContent = idle ? "Nothing yet" : unread ? "Cannot read this" : label;
  $("note").textContent = note(answer, state);
  $("speed").textContent = idle ? "" : `read in ${answer.ms.toFixed(1)} ms${passages(answer)}`;
  $("speed").dataset.ms = answer.ms;
  $("why").replaceChildren();
  const [hue, chroma] = idle || unread ? [85, 0.01] : colour(label, answer.label, settings.labels.length);
  document.documentElement.style.setProperty("--hue", hue);
  document.documentElement.style.setProperty("--chroma", state === "sure" ? chroma : chroma * 0.55);
  Array.from($("bars").children).forEach((bar, i) => {
    const score = idle || unread ? 0 : answer.scores[i];
    const given = answer.labels ? answer.labels.includes(i) : i === answer.label;
    bar.style.setProperty("--score", score < 0.005 ? 0 : score);
    bar.classList.toggle("best", !idle && !unread && given);
    bar.querySelector(".share").textContent = idle || unread ? "" : percent(score);
  });
  clearTimeout(speaking);
  speaking = setTimeout(() => ($("spoken").textContent = idle ? "" : `${$("label").textContent}. ${$("note").textContent}`), QUIET_MS);
}

const passages = ({ windows }) => (windows > 1 ? `, in ${windows} passages` : "");

function note(answer, state) {
  if (state === "idle") return "Type, and the answer follows every letter.";
  if (state === "unreadable") return "Mostly signs that the model does not know. It reads English.";
  if (answer.labels) {
    const names = answer.labels.map((i) => settings.labels[i].label);
    return names.length ? `Given: ${names.join(", ")}` : "No label is sure enough to be given.";
  }
  if (state === "unsure") return `Not sure: the best guess, at ${percent(answer.score)}`;
  return `${percent(answer.score)} sure`;
}

/** Tint the words that carry the answer, and name the strongest. */
function explain(spans) {
  const strongest = Math.max(FULL_DROP, ...spans.map(({ drop }) => drop));
  const carrying = spans.filter(({ drop }) => drop > LEAST_DROP);
  wash(
    shown.text,
    carrying.map(({ start, end, drop }) => ({ start, end, weight: drop / strongest })),
  );
  if (!spans.length) return;
  const { label } = settings.labels[shown.label];
  const top = spans.reduce((a, b) => (b.drop > a.drop ? b : a));
  const left = percent(Math.max(0, shown.score - top.drop));
  if (top.drop < TELLING_DROP) {
    $("why").replaceChildren(`No part decides alone: without any one of them ${label} stays at ${left} or more.`);
    return;
  }
  const words = shown.text.slice(top.start, top.end).replace(/(.)[.,;:!?…]+$/u, "$1");
  const quoted = document.createElement("q");
  quoted.textContent = words.length > 60 ? `${words.slice(0, 57)}…` : words;
  $("why").replaceChildren("Without ", quoted, `, ${label} would be ${left} instead of ${percent(shown.score)}.`);
}

/** The text once more behind the field, unseen but for the tint of its words. */
function wash(value, marks) {
  const parts = [];
  let at = 0;
  for (const { start, end, weight } of marks) {
    const mark = document.createElement("mark");
    mark.textContent = value.slice(start, end);
    mark.style.setProperty("--weight", weight.toFixed(3));
    parts.push(value.slice(at, start), mark);
    at = end;
  }
  $("wash").replaceChildren(...parts, `${value.slice(at)}\n`);
}

function drawBars() {
  $("bars").replaceChildren(
    ...settings.labels.map(({ label, emoji, meaning }, i) => {
      const item = document.createElement("li");
      const [hue, chroma] = colour(label, i, settings.labels.length);
      item.style.setProperty("--hue", hue);
      item.style.setProperty("--chroma", chroma);
      if (meaning) item.title = meaning;
      item.append(part("face", emoji, true), part("name", label), part("track", "", true), part("share", ""));
      return item;
    }),
  );
}

function part(name, content, hidden = false) {
  const span = document.createElement("span");
  span.className = name;
  span.textContent = content;
  if (hidden) span.setAttribute("aria-hidden", "true");
  return span;
}

function drawExamples() {
  document.querySelector(".chips").replaceChildren(
    ...EXAMPLES.map((example) => {
      const item = document.createElement("li");
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = example;
      button.addEventListener("click", () => write(example));
      item.append(button);
      return item;
    }),
  );
  document.querySelector(".examples").hidden = false;
}

// --- earlier texts ----------------------------------------------------------------------------------------------

function keep() {
  if (!shown || shown.answer !== asked || shown.reason === "empty") return;
  const { label, emoji } = settings.labels[shown.label];
  const unread = shown.reason === "unreadable";
  past.keep({ text: shown.text, label: unread ? "unread" : label, emoji: unread ? "🔤" : emoji, score: shown.score });
  drawPast();
}

function drawPast() {
  const entries = past.all();
  document.querySelector(".past").hidden = entries.length === 0;
  $("past").replaceChildren(
    ...entries.map((entry) => {
      const item = document.createElement("li");
      const again = document.createElement("button");
      again.type = "button";
      again.className = "again";
      again.append(part("face", entry.emoji ?? "", true), part("words", entry.text), part("name", entry.label ?? ""));
      again.addEventListener("click", () => {
        write(entry.text);
        text.focus();
      });
      const away = document.createElement("button");
      away.type = "button";
      away.className = "away";
      away.textContent = "×";
      away.setAttribute("aria-label", `Remove: ${entry.text.slice(0, 60)}`);
      away.addEventListener("click", () => {
        past.drop(entry.text);
        drawPast();
      });
      item.append(again, away);
      return item;
    }),
  );
}

$("forget").addEventListener("click", () => {
  past.forget();
  drawPast();
  text.focus();
});

// --- the field and the tint behind it -----------------------------------------------------------------------------

function fit() {
  text.style.height = "auto";
  text.style.height = `${text.scrollHeight}px`;
  $("wash").style.width = `${text.clientWidth}px`; // without the scroll bar, so that lines break alike
  follow();
}

const follow = () => ($("wash").style.transform = `translateY(${-text.scrollTop}px)`);

text.addEventListener("scroll", follow);
addEventListener("resize", fit);
