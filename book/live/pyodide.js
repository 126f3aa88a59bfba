// Start Pyodide from bytes that have been checked: from its files, or from an image of
// its memory that was kept after the imports of an earlier start.

export const PYTHON = "/lib/python3.14/site-packages";
const ENVIRONMENT = {
  HOME: "/home/reader",
  MPLBACKEND: "agg",
  PYTENSOR_FLAGS: "cxx=,linker=vm,optimizer=fast_compile",
};

/** Compile the packages' shared libraries, side by side: [path, module] pairs. */
export function compileLibraries(members) {
  const libraries = members.filter(([name]) => name.endsWith(".so"));
  // Other libraries are linked against those in the folders named *.libs, so these
  // come first. Otherwise the order is that of the names: whatever it is, it must be
  // the same at each start, since it decides where the libraries are in memory.
  const rank = ([name]) => (name.includes(".libs/") ? "0" : "1") + name;
  libraries.sort((a, b) => (rank(a) < rank(b) ? -1 : 1));
  return Promise.all(
    libraries.map(async ([name, bytes]) => [
      `${PYTHON}/${name}`,
      await WebAssembly.compile(bytes),
    ]),
  );
}

/**
 * Start Python.
 *
 * `runtime` holds promises of Pyodide's own files by their names: their bytes, and of
 * pyodide.asm.wasm the compiled module;
 * `members` is a promise of the [name, bytes] pairs of site-packages, `libraries` one
 * of what `compileLibraries` gives, and `image` what `memoryImage` gave in an earlier
 * start, or null. With an image, all that had been imported then is there at once.
 */
export async function startPyodide({ runtime, indexURL, info, members, libraries, image }) {
  const code = async (name) =>
    URL.createObjectURL(new Blob([await runtime[name]], { type: "text/javascript" }));
  const [loader, factory] = await Promise.all(
    ["pyodide.mjs", "pyodide.asm.mjs"].map(async (name) => import(await code(name))),
  );
  const undo = serveFromMemory(runtime);
  let linked;
  let failure;
  try {
    const options = {
      indexURL,
      createPyodideModule: (settings) =>
        createModule(factory.default, settings, () => linked, image),
      lockFileContents: { info, packages: {} },
      packageBaseUrl: "",
      env: { ...ENVIRONMENT },
      // Pyodide goes on whatever happens here, and without files fails in other words.
      fsInit: async (FS) => {
        try {
          linked = await libraries;
          mount(FS, await members);
        } catch (error) {
          failure = error;
        }
      },
    };
    if (image) options._loadSnapshot = image.memory;
    else options._makeSnapshot = true;
    return await loader.loadPyodide(options);
  } catch (error) {
    throw failure ?? error;
  } finally {
    undo();
  }
}

/** Give Pyodide two of its files, for which it asks the network, from memory. */
function serveFromMemory(runtime) {
  const { fetch } = self;
  const { instantiateStreaming } = WebAssembly;
  self.fetch = async (request, options) => {
    const url = String(request.url ?? request);
    if (url.endsWith("/python_stdlib.zip")) {
      return new Response(await runtime["python_stdlib.zip"]);
    }
    return url.endsWith("/pyodide.asm.wasm") ? null : fetch(request, options);
  };
  WebAssembly.instantiateStreaming = async (_, imports) => {
    const module = await runtime["pyodide.asm.wasm"];
    return { module, instance: await WebAssembly.instantiate(module, imports) };
  };
  return () => {
    self.fetch = fetch;
    WebAssembly.instantiateStreaming = instantiateStreaming;
  };
}

/** Put files where Python imports from, without copying them. */
export function mount(FS, members) {
  const made = new Set();
  for (const [name, bytes] of members) {
    const folder = name.slice(0, name.lastIndexOf("/"));
    if (!made.has(folder)) {
      FS.mkdirTree(`${PYTHON}/${folder}`);
      made.add(folder);
    }
    FS.writeFile(`${PYTHON}/${name}`, bytes, { canOwn: true });
  }
}

/** How memory and function table are laid out once the libraries are linked. */
let layout;

/**
 * Create Pyodide's Emscripten module, with every shared library linked before Python
 * starts. At that moment the memory is the same at each start, so that the libraries'
 * data and functions get the same addresses, which the image of a memory relies on.
 */
async function createModule(factory, settings, libraries, image) {
  let imports;
  let Module;
  let constructors;
  let failure;
  const instantiate = settings.instantiateWasm;
  settings.instantiateWasm = (given, receive) => {
    imports = given.env;
    return instantiate(given, receive);
  };
  settings.preRun.push((created) => {
    Module = created;
  });
  settings.onRuntimeInitialized = () => {
    try {
      constructors = link(Module, libraries());
      layout = [libraries().length, Module._sbrk(0), Module.wasmTable.length].join();
    } catch (error) {
      failure = error;
    }
  };
  await factory(settings);
  if (failure) throw failure;
  if (!image) {
    for (const construct of constructors) construct();
    return Module;
  }
  if (layout !== image.layout) throw new Error("The memory has another layout.");
  imports.emscripten_resize_heap(image.size);
  const { loadedLibsByHandle, loadedLibsByName } = Module.LDSO;
  for (const [handle, path] of image.handles) {
    loadedLibsByHandle[handle] = loadedLibsByName[path];
  }
  return Module;
}

/**
 * Link compiled libraries. Returns their constructors of static data, to be called once
 * Python has started: some ask Python for objects. An image of the memory holds what
 * they made.
 */
function link(Module, libraries) {
  const constructors = [];
  const { Instance } = WebAssembly;
  const places = new Places(Module.wasmTable);
  // After each library, Emscripten goes through all symbols for those that are still
  // unknown. The known ones move to the prototype, where it finds them by name alone.
  const known = {};
  const { GOT } = Module;
  Object.setPrototypeOf(GOT, known);
  WebAssembly.Instance = function (module, imports) {
    const { __wasm_call_ctors, ...exports } = new Instance(module, imports).exports;
    if (__wasm_call_ctors) constructors.push(__wasm_call_ctors);
    places.open();
    return { exports };
  };
  try {
    for (const [path, module] of libraries) {
      const flags = { loadAsync: false, nodelete: true, global: false };
      const exports = Module.loadWebAssemblyModule(module, flags, path, {}, 0);
      places.close();
      for (const symbol of Object.keys(GOT)) {
        known[symbol] = GOT[symbol];
        delete GOT[symbol];
      }
      const library = Module.newDSO(path, undefined, exports);
      library.global = false;
      // Others ask for these without a folder.
      if (path.includes(".libs/")) {
        Module.LDSO.loadedLibsByName[path.split("/").pop()] = library;
      }
    }
  } finally {
    WebAssembly.Instance = Instance;
    places.close();
  }
  return constructors;
}

/**
 * Places in the table of functions. Emscripten asks for one place at a time for the
 * 15,000 functions that the libraries export, and a table that many libraries share
 * grows slowly: while open, it grows by many places at once.
 */
class Places {
  #free = [];

  constructor(table) {
    this.table = table;
  }

  open() {
    this.table.grow = () => {
      if (!this.#free.length) {
        const first = WebAssembly.Table.prototype.grow.call(this.table, 2048);
        for (let k = 2047; k >= 0; k--) this.#free.push(first + k);
      }
      return this.#free.pop();
    };
  }

  close() {
    delete this.table.grow;
  }
}

/**
 * The memory of a Python that was started without an image, as a blob, and what has to
 * be known to start from it. Throws where a file is open, or where Python holds an object
 * of JavaScript that Pyodide cannot write down.
 */
export function memoryImage(pyodide) {
  const open = pyodide.FS.streams.filter((stream) => stream?.fd > 2);
  if (open.length) throw new Error(`Files are open: ${open.map(({ path }) => path)}`);
  // Pyodide takes this table for empty in an image, and no cell asks for it.
  for (const name of Object.keys(pyodide.loadedPackages)) {
    delete pyodide.loadedPackages[name];
  }
  const memory = pyodide.makeMemorySnapshot();
  const words = new Uint32Array(memory.buffer);
  let end = words.length;
  while (words[end - 1] === 0) end--;
  const { HEAP8, LDSO } = pyodide._module;
  const about = {
    layout,
    size: HEAP8.length,
    bytes: 4 * end,
    handles: Object.entries(LDSO.loadedLibsByHandle)
      .filter(([handle]) => handle !== "0")
      .map(([handle, library]) => [Number(handle), library.name]),
  };
  const text = new TextEncoder().encode(JSON.stringify(about));
  // The memory first, so that it begins at a multiple of four bytes.
  return new Blob([memory.subarray(0, 4 * end), text, Uint32Array.of(text.length)]);
}

/** Read what `memoryImage` wrote; null where nothing was kept, or not all of it. */
export function readImage(bytes) {
  try {
    const start = bytes.length - 4;
    const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(start, true);
    const text = new TextDecoder().decode(bytes.subarray(start - length, start));
    const about = JSON.parse(text);
    const memory = bytes.subarray(0, start - length);
    return memory.length === about.bytes ? { ...about, memory } : null;
  } catch {
    return null;
  }
}
