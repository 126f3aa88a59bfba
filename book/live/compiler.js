// Compiles Python's source files beside a first start, on another core: more than half of
// that start's time is spent on compiling. Sends back the files for `__pycache__`.

import { startPyodide } from "./pyodide.js";

const COMPILE = `
import importlib.util
import marshal

# Flag 1: the source is not compared, so that its hash, eight bytes, may be anything.
HEADER = importlib.util.MAGIC_NUMBER + (1).to_bytes(4, "little") + bytes(8)

def compiled(path, source):
    code = compile(source.to_bytes(), path, "exec", dont_inherit=True)
    return HEADER + marshal.dumps(code)

compiled
`;
/** So many files go back together, and messages are heard after them. */
const BATCH = 20;

let compile; // a promise of the function above
let queue = []; // the files that are still to be compiled

/** Start Python, without any packages. */
async function start(parts) {
  const pyodide = await startPyodide({
    ...parts,
    members: [],
    libraries: [],
    image: null,
  });
  return pyodide.runPython(COMPILE);
}

/** Compile the queue from its front, and send back the results. */
async function compileAll(folder) {
  const compiled = await compile;
  while (queue.length) {
    const batch = queue.splice(0, BATCH).map(([name, bytes]) => {
      const answer = compiled(`${folder}/${name}`, bytes);
      const at = name.lastIndexOf("/") + 1;
      const cached = name.slice(at).replace(/py$/, "cpython-314.pyc");
      const code = answer.toJs();
      answer.destroy();
      return [`${name.slice(0, at)}__pycache__/${cached}`, code];
    });
    self.postMessage(batch);
    await messages();
  }
}

/** Let the messages that have come be heard: without the delay of `setTimeout`. */
function messages() {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = resolve;
    port2.postMessage(null);
  });
}

self.onmessage = ({ data }) => {
  if (data.start) {
    compile = start(data.start);
  } else if (data.sources) {
    queue = data.sources;
    compileAll(data.folder);
  } else {
    queue = queue.filter(([name]) => !name.startsWith(data.leave));
  }
};
