// What book/live/runtime.js promises, without a Python: the cell's code says what
// happens. Each line is an order, such as `# fake: print hello`; the rest is ignored.
// `window.fake` holds what a test set before the page loaded, and what was called.
const fake = (globalThis.fake ??= {});
const calls = (globalThis.fakeCalls ??= []);
const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

export class Runtime extends EventTarget {
  constructor(base) {
    super();
    calls.push(["new", base]);
    this.state = "off";
  }

  static unsupported() {
    return fake.unsupported ?? null;
  }

  async size() {
    if (fake.offline) throw new Error(fake.offline);
    return { bytes: fake.bytes ?? 47.3e6, cached: fake.bytes === 0, disk: 300e6,
      heap: 200e6 };
  }

  change(state) {
    this.state = state;
    this.dispatchEvent(new Event("state"));
  }

  /** What ends when Python does. */
  unlessStopped(promise) {
    return Promise.race([promise, new Promise((_, reject) => {
      this.end = () => reject(Object.assign(new Error("stopped"), { name: "Stopped" }));
    })]);
  }

  async start(on = () => {}) {
    calls.push(["start"]);
    if (this.state !== "off") return;
    this.change("starting");
    await this.unlessStopped((async () => {
      for (let k = 0; k <= 4; k++) {
        on({ stage: "download", done: (k / 4) * 47.3e6, total: 47.3e6, words: "" });
        await wait(fake.slow ?? 5);
      }
      if (fake.fails?.length) {
        const message = fake.fails.shift();
        this.change("off");
        throw new Error(message);
      }
      on({ stage: "start", done: 0, total: 0, words: "Starting Python" });
      await wait(fake.slow ?? 5);
      on({ stage: "packages", done: 3, total: 9, words: "Loading packages: pymc" });
      await wait(fake.slow ?? 5);
      on({ stage: "ready", done: 1, total: 1, words: "Python is ready" });
    })());
    this.change("ready");
  }

  async run(source, { name, full, on }) {
    calls.push(["run", source, { name, full }]);
    this.change("running");
    try {
      return await this.unlessStopped(this.obey(source, { name, full, on }));
    } finally {
      if (this.state === "running") this.change("ready");
    }
  }

  async obey(source, { name, full, on }) {
    const outputs = [];
    const put = (event) => { outputs.push(event); on(event); };
    let error = null;
    await wait(fake.slow ?? 5);
    const orders = fake.orders?.[name] ?? [];
    const written = [...source.matchAll(/# fake: (\w+) ?(.*)/g)].map((m) => [m[1], m[2]]);
    for (const [order, rest] of [...orders, ...written]) {
      if (order === "print") put({ type: "stream", name: "stdout", text: `${rest}\n` });
      if (order === "html") put({ type: "display", data: { "text/html": rest, "text/plain": "no" } });
      if (order === "svg") put({ type: "display", data: { "image/svg+xml": rest } });
      if (order === "sample") {
        const did = full ? { chains: 4, draws: 1000, tune: 1000 } : { chains: 2, draws: 500, tune: 500 };
        if (!full) on({ type: "thinned", asked: { chains: 4, draws: 1000, tune: 1000 }, did });
        for (let chain = 1; chain <= did.chains; chain++) {
          on({ type: "sampling", chain, chains: did.chains, draw: 250, total: 1000,
            perSecond: 84.6, secondsLeft: 9.3, divergences: chain - 1 });
          await wait(fake.slow ?? 5);
        }
      }
      if (order === "forever") await wait(1e8);
      if (order === "die") throw new Error("The browser has no memory left for Python.");
      if (order === "raise") {
        error = { name: "NameError", message: rest,
          traceback: `Traceback (most recent call last):\n  File "${name}", line 1\nNameError: ${rest}` };
        break;
      }
    }
    await wait(fake.slow ?? 5);
    return { outputs, error, seconds: 1.25 };
  }

  stop() {
    calls.push(["stop"]);
    this.end?.();
    this.change("off");
  }

  warm() {
    calls.push(["warm"]);
  }
}
