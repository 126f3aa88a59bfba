// The page's side of the worker in which Python runs: one per page.

import { keep, listed, missing } from "./files.js";

class Stopped extends Error {
  name = "Stopped";
}

const STARTED = "borrowing-strength-python-started";

export class Runtime extends EventTarget {
  #worker = null;
  #started = null;
  #waiting = new Map();
  #count = 0;
  #queue = Promise.resolve();
  state = "off";

  constructor(base) {
    super();
    this.base = new URL(base, document.baseURI).href;
  }

  /** A sentence on why this browser cannot run Python, or null if it can. */
  static unsupported() {
    if (location.protocol === "file:") {
      return (
        "Code runs only when a web server serves the book, not from a file: " +
        "read it online, or run “make serve”."
      );
    }
    if (typeof WebAssembly !== "object" || typeof Worker !== "function") {
      return "This browser has no WebAssembly, which Python needs to run in it.";
    }
    if (typeof DecompressionStream !== "function") {
      return "This browser is too old to run Python in it.";
    }
    return null;
  }

  /** Bytes that a start has to download, and that it takes of disk and memory. */
  async size() {
    const list = await listed(this.base);
    const bytes = await missing(list);
    return { bytes, cached: bytes === 0, disk: 300e6, heap: 350e6 };
  }

  /** Start Python, unless it has started; `on` is called with every step. */
  start(on = () => {}) {
    if (!this.#started) {
      const why = Runtime.unsupported();
      if (why) return Promise.reject(new Error(why));
      this.#set("starting");
      this.#worker = new Worker(new URL("worker.js", import.meta.url), {
        type: "module",
      });
      this.#worker.onmessage = ({ data }) => this.#hear(data);
      this.#worker.onerror = (event) => {
        event.preventDefault();
        this.#end(new Error("Python could not be started in this browser."));
      };
      this.#started = new Promise((resolve, reject) => {
        this.#waiting.set("start", { resolve, reject });
      });
      this.#worker.postMessage({ do: "start", base: this.base });
    }
    const listen = ({ detail }) => on(detail);
    this.addEventListener("stage", listen);
    return this.#started.finally(() => this.removeEventListener("stage", listen));
  }

  /** Run a cell after those that run already; see worker.js for what comes back. */
  run(source, { name, full, on = () => {} }) {
    const turn = this.#queue.then(async () => {
      await this.start(on);
      const id = ++this.#count;
      this.#set("running");
      const began = performance.now();
      try {
        const result = await new Promise((resolve, reject) => {
          this.#waiting.set(id, { resolve, reject, on });
          this.#worker.postMessage({ do: "run", id, source, name, full });
        });
        return { ...result, seconds: (performance.now() - began) / 1000 };
      } finally {
        if (this.state === "running") this.#set("ready");
      }
    });
    this.#queue = turn.catch(() => {});
    return turn;
  }

  /** End Python, with all that it holds. */
  stop() {
    this.#end(new Stopped("Python was stopped."));
  }

  /** Start early, if nothing has to be downloaded and Python has been started before. */
  async warm() {
    try {
      if (this.#started || Runtime.unsupported()) return;
      if (localStorage.getItem(STARTED) !== "yes") return;
      if ((await this.size()).cached && !this.#started) await this.start();
    } catch {
      // A failure is reported when the reader presses Run.
    }
  }

  #hear(message) {
    if (message.stage) {
      if (message.stage === "ready") {
        try {
          localStorage.setItem(STARTED, "yes");
        } catch {
          // Where nothing can be stored, Python is not started early.
        }
        this.#set("ready");
        this.#waiting.get("start")?.resolve();
        this.#waiting.delete("start");
      }
      this.dispatchEvent(new CustomEvent("stage", { detail: message }));
    } else if (message.keep) {
      keep(message.keep, message.blob);
    } else if (message.event) {
      // One cell runs at a time.
      for (const { on } of this.#waiting.values()) on?.(message.event);
    } else if (message.failed) {
      this.#end(new Error(message.failed));
    } else {
      this.#waiting.get(message.id)?.resolve(message.result);
      this.#waiting.delete(message.id);
    }
  }

  #end(error) {
    this.#worker?.terminate();
    this.#worker = null;
    this.#started = null;
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
    this.#set("off");
  }

  #set(state) {
    if (this.state === state) return;
    this.state = state;
    this.dispatchEvent(new Event("state"));
  }
}
