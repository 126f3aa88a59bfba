// The worker in which Python runs, so that the page stays responsive and can end it at
// any time.

import { Failure, forget, kept, listed, obtain, pack, unpack, unzip } from "./files.js";
import {
  compileLibraries, memoryImage, mount, PYTHON, readImage, startPyodide,
} from "./pyodide.js";

const say = (message) => self.postMessage(message);
/** Folders of modules, in the order in which session.py imports them. */
const IMPORTED = [
  "numpy/", "pandas/", "matplotlib/", "scipy/", "xarray/", "arviz", "pytensor/", "pymc/",
];
let python; // the session of live/session.py, as a proxy

/** The files of site-packages, from what was kept unpacked or from the wheels. */
async function packages(list, progress) {
  const wheels = list.files.filter((file) => file.kind === "wheel");
  const before = await kept(list.packages);
  if (before) {
    for (const file of wheels) progress(file.size);
    return { members: unpack(before), fresh: false };
  }
  const unzipped = await Promise.all(
    wheels.map(async (file) => unzip(await obtain(file, progress))),
  );
  return { members: unzipped.flat(), fresh: true };
}

/** A function that adds up bytes and tells the page how far the download is. */
function progressOf(list) {
  const total = list.files.reduce((sum, file) => sum + file.size, 0);
  let done = 0;
  let told = 0;
  return (bytes) => {
    done += bytes;
    if (done - told > 200_000 || done >= total) {
      told = done;
      say({ stage: "download", done, total });
    }
  };
}

async function start({ base }) {
  const list = await listed(base);
  const progress = progressOf(list);
  const files = list.files.filter((file) => file.kind === "runtime");
  const name = (file) => file.url.split("/").pop();
  const runtime = Object.fromEntries(
    files.map((file) => [name(file), obtain(file, progress)]),
  );
  const downloads = { ...runtime };
  // Compiled once, for the helper too.
  runtime["pyodide.asm.wasm"] = runtime["pyodide.asm.wasm"].then(WebAssembly.compile);
  const content = packages(list, progress);
  const members = content.then((found) => found.members);
  const libraries = members.then(compileLibraries);
  // Failures are reported where the promises are awaited, not as unhandled.
  for (const promise of [...Object.values(runtime), content, members, libraries]) {
    promise.catch(() => {});
  }
  const indexURL = new URL("./", files[0].url).href;
  const parts = { runtime, indexURL, info: list.info, members, libraries };
  say({ stage: "start" });
  const image = readImage(await kept(list.memory));
  const pyodide =
    (image && (await restart(parts, image))) ?? (await firstStart(parts, list));
  python = pyodide.pyimport("live.session").start(say);
  say({ stage: "ready" });
  const { fresh } = await content;
  if (!fresh) return;
  for (const file of files) keep(file.url, new Blob([await downloads[name(file)]]));
  keep(list.packages, new Blob([pack(await members)]));
  forget(list);
}

/** Start from the memory of an earlier start; null if it does not fit this browser. */
async function restart(parts, image) {
  try {
    const pyodide = await startPyodide({ ...parts, image });
    say({ stage: "packages", done: 0, total: 1 });
    return pyodide;
  } catch {
    return null;
  }
}

/** Start Python, import what the chapters need, and keep the memory. */
async function firstStart(parts, list) {
  const helper = compileBeside(parts);
  const pyodide = await startPyodide({ ...parts, image: null });
  say({ stage: "packages", done: 0, total: 1 });
  const session = pyodide.pyimport("live.session");
  for (const module of session.prepare()) {
    helper.leave(module);
    // Between two modules, what the helper has compiled is taken in.
    await new Promise((resolve) => setTimeout(resolve));
    mount(pyodide.FS, helper.files.splice(0));
    session.load(module);
  }
  helper.end();
  keepImage(list.memory, pyodide, session);
  return pyodide;
}

/**
 * Have a second worker compile what this one is going to import: `files` fills with
 * files for site-packages, and what is left to this worker is not compiled twice. With
 * one core this would only slow the start down.
 */
function compileBeside({ runtime, indexURL, info, members }) {
  const files = [];
  if (typeof Worker !== "function" || navigator.hardwareConcurrency < 2) {
    return { files, leave() {}, end() {} };
  }
  const worker = new Worker(new URL("compiler.js", import.meta.url), { type: "module" });
  worker.onmessage = ({ data }) => files.push(...data);
  (async () => {
    const contents = {};
    for (const [name, part] of Object.entries(runtime)) contents[name] = await part;
    worker.postMessage({ start: { runtime: contents, indexURL, info } });
    const all = await members;
    const sources = IMPORTED.flatMap((folder) =>
      all.filter(([name]) => name.startsWith(folder) && name.endsWith(".py")));
    worker.postMessage({ folder: PYTHON, sources });
  })().catch(() => {}); // a failure of the download is reported by `start`
  const leave = (module) => worker.postMessage({ leave: module.split(".")[0] });
  return { files, leave, end: () => worker.terminate() };
}

/** Keep Python's memory as it is before the first cell, for the next start. */
function keepImage(url, pyodide, session) {
  // For a moment this takes three times the memory, which small devices do not have.
  if (navigator.deviceMemory < 4) return;
  try {
    session.rest();
    keep(url, memoryImage(pyodide));
  } catch (error) {
    console.warn("Python's memory could not be kept for the next start.", error);
  }
}

/** Let the page keep a blob for the next start, while Python runs in this worker. */
function keep(url, blob) {
  say({ keep: url, blob });
}

async function run({ id, source, name, full }) {
  const result = JSON.parse(python.run(source, name, Boolean(full)));
  say({ id, result });
}

const DO = { start, run };

self.onmessage = async ({ data }) => {
  try {
    await DO[data.do](data);
  } catch (error) {
    say({ id: data.id, failed: plain(error) });
  }
};

/** A message for the reader about an error. */
function plain(error) {
  if (error instanceof Failure) return error.message;
  const words = String(error?.message ?? error);
  if (/memory|allocation/i.test(words)) {
    return (
      "The browser has no memory left for Python. Close other tabs, reload this " +
      "page, and run fewer cells."
    );
  }
  const lines = words.trim().split("\n");
  return `Python stopped: ${lines[lines.length - 1].slice(0, 300)}`;
}
