// The reader's Python: it runs here, beside the page, so that the page never stalls
// and can end it at once.

import { Failure, forget, kept, listed, obtain, pack, unpack, unzip } from "./files.js";

const say = (message) => self.postMessage(message);
let python; // the module live.session, as a proxy
let bytecode; // where the bytecode is kept, and what is kept of it
const SITE = "/lib/python3.14/site-packages";

/** Everything that is imported from, from the kept image or from the wheels. */
async function packages(list, progress) {
  const wheels = list.files.filter((file) => file.kind === "wheel");
  const before = await kept(list.packages);
  if (before) {
    for (const file of wheels) progress(file.size);
    const more = await kept(list.bytecode);
    return { members: unpack(before), more: more ? unpack(more) : [], fresh: false };
  }
  const unzipped = await Promise.all(
    wheels.map(async (file) => unzip(await obtain(file, progress))),
  );
  return { members: unzipped.flat(), more: [], fresh: true };
}

async function start({ base }) {
  const list = await listed(base);
  const total = list.files.reduce((sum, file) => sum + file.size, 0);
  let done = 0;
  let told = 0;
  const progress = (bytes) => {
    done += bytes;
    if (done - told > 200_000 || done >= total) {
      told = done;
      say({ stage: "download", done, total });
    }
  };
  const runtime = Object.fromEntries(
    list.files
      .filter((file) => file.kind === "runtime")
      .map((file) => [
        file.url.split("/").pop(),
        { file, bytes: obtain(file, progress) },
      ]),
  );
  const content = packages(list, progress);
  // A failure is told by whoever awaits it; until then it must not go unheard.
  content.catch(() => {});
  for (const { bytes } of Object.values(runtime)) bytes.catch(() => {});

  const pyodide = await boot(runtime, content, list);
  const { members, more, fresh } = await content;
  say({ stage: "packages", done: 0, total: 1 });
  const { start: session } = pyodide.pyimport("live.session");
  python = session(say);
  say({ stage: "ready" });
  bytecode = { url: list.bytecode, members: more };
  if (!fresh) return;
  for (const { file, bytes } of Object.values(runtime)) keep(file.url, await bytes);
  keep(list.packages, pack(members));
  forget(list);
}

/** Have the page keep bytes for the next start: here, Python would be in the way. */
function keep(url, bytes) {
  say({ keep: url, blob: new Blob([bytes]) });
}

/** Start Pyodide from bytes that are checked, whatever they were fetched from. */
async function boot(runtime, content, list) {
  const code = async (name, type) =>
    URL.createObjectURL(new Blob([await runtime[name].bytes], { type }));
  const [loader, module] = await Promise.all(
    ["pyodide.mjs", "pyodide.asm.mjs"].map(
      async (name) => import(await code(name, "text/javascript")),
    ),
  );
  // Pyodide fetches these two by their names.
  const direct = self.fetch;
  const served = { "pyodide.asm.wasm": "application/wasm", "python_stdlib.zip": "" };
  self.fetch = async (request, options) => {
    const name = String(request.url ?? request).split("/").pop();
    if (!(name in served)) return direct(request, options);
    const headers = { "content-type": served[name] };
    return new Response(await runtime[name].bytes, { headers });
  };
  let failed;
  try {
    say({ stage: "start" });
    const pyodide = await loader.loadPyodide({
      indexURL: new URL("./", runtime["pyodide.mjs"].file.url).href,
      createPyodideModule: module.default,
      lockFileContents: { info: list.info, packages: {} },
      packageBaseUrl: "",
      env: {
        HOME: "/home/reader",
        MPLBACKEND: "agg",
        PYTENSOR_FLAGS: "cxx=,linker=vm,optimizer=fast_compile",
      },
      fsInit: async (FS) => {
        try {
          const { members, more } = await content;
          mount(FS, members);
          mount(FS, more);
        } catch (error) {
          failed = error;
        }
      },
    });
    if (failed) throw failed;
    return pyodide;
  } finally {
    self.fetch = direct;
  }
}

/** Put files where Python imports from, without copying them. */
function mount(FS, members) {
  const made = new Set();
  for (const [name, bytes] of members) {
    const folder = name.slice(0, name.lastIndexOf("/"));
    if (!made.has(folder)) {
      FS.mkdirTree(`${SITE}/${folder}`);
      made.add(folder);
    }
    FS.writeFile(`${SITE}/${name}`, bytes, { canOwn: true });
  }
}

/** Keep what Python has compiled so far for the next page. */
function store() {
  const answer = python.compiled();
  const fresh = answer.toJs();
  answer.destroy();
  // A few modules are compiled again sooner than written.
  if (fresh.length < 20) return;
  for (const [name, bytes] of fresh) bytecode.members.push([name, bytes]);
  keep(bytecode.url, pack(bytecode.members));
}

async function run({ id, source, name, draws, full }) {
  const result = JSON.parse(python.run(source, name, draws ?? null, Boolean(full)));
  say({ id, result });
  store();
}

const DO = { start, run };

self.onmessage = async ({ data }) => {
  try {
    await DO[data.do](data);
  } catch (error) {
    say({ id: data.id, failed: plain(error) });
  }
};

/** What happened, in a sentence for the reader. */
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
