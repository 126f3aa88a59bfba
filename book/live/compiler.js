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
/** So many files go back together. */
const BATCH = 40;

self.onmessage = async ({ data: { runtime, indexURL, info, folder, sources } }) => {
  const parts = { runtime, indexURL, info, members: [], libraries: [], image: null };
  const pyodide = await startPyodide(parts);
  const compile = pyodide.runPython(COMPILE);
  let batch = [];
  for (const [name, bytes] of sources) {
    const answer = compile(`${folder}/${name}`, bytes);
    const at = name.lastIndexOf("/") + 1;
    const cached = name.slice(at).replace(/py$/, "cpython-314.pyc");
    batch.push([`${name.slice(0, at)}__pycache__/${cached}`, answer.toJs()]);
    answer.destroy();
    if (batch.length === BATCH) {
      self.postMessage(batch);
      batch = [];
    }
  }
  self.postMessage(batch);
};
