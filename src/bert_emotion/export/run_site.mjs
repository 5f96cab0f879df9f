// Raw logits of an exported web folder in Node.js: node run_site.mjs FOLDER < texts.json > rows.json
// The same code and WebAssembly as in the page; only the files are read from the disk.

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { text as all } from "node:stream/consumers";
import { pathToFileURL } from "node:url";

const folder = process.argv[2];
const { EmotionModel } = await import(pathToFileURL(join(folder, "emotion.js")).href);
const model = await EmotionModel.load(async (path) => new Uint8Array(await readFile(join(folder, path))));
const rows = [];
for (const text of JSON.parse(await all(process.stdin))) rows.push(Array.from(await model.logits(text)));
process.stdout.write(JSON.stringify(rows));
