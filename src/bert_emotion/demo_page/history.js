// Earlier texts, newest first, in this browser alone.

const KEY = "bert-emotion-history";
const MOST = 50;

let entries = read();

function read() {
  try {
    const found = JSON.parse(localStorage.getItem(KEY) ?? "[]");
    return Array.isArray(found) ? found.filter((entry) => typeof entry?.text === "string") : [];
  } catch {
    return []; // storage is switched off, or holds what is not ours
  }
}

function write() {
  try {
    if (entries.length) localStorage.setItem(KEY, JSON.stringify(entries));
    else localStorage.removeItem(KEY);
  } catch {
    // switched off or full: the list lives as long as the page
  }
}

export const all = () => entries;

/** Put a text in front; an equal one moves there. */
export function keep(entry) {
  entries = [entry, ...entries.filter(({ text }) => text !== entry.text)].slice(0, MOST);
  write();
}

export function drop(text) {
  entries = entries.filter((entry) => entry.text !== text);
  write();
}

export function forget() {
  entries = [];
  write();
}
