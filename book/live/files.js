// The files that Python needs: downloaded once, checked by their hashes, and kept.

/** A failure with a message for the reader. */
export class Failure extends Error {}

const CACHE = "borrowing-strength-python";
/** Increase this when pyodide.js changes how Python starts: it makes old images void. */
const IMAGES = 1;

/** The browser's cache; null where there is none, as on pages that are not secure. */
async function cache() {
  try {
    return await caches.open(CACHE);
  } catch {
    return null;
  }
}

/** The list of files that the build wrote, with absolute addresses. */
export async function listed(base) {
  let answer;
  try {
    answer = await fetch(new URL("files.json", base), { cache: "no-cache" });
  } catch {
    answer = await (await cache())?.match(new URL("files.json", base));
    if (!answer) {
      throw new Failure(
        "There is no network: the list of Python's files could not be fetched.",
      );
    }
  }
  if (!answer.ok) {
    throw new Failure(
      `This site does not serve the list of Python's files (${answer.status}).`,
    );
  }
  (await cache())?.put(new URL("files.json", base), answer.clone()).catch(() => {});
  const list = await answer.json();
  for (const file of list.files) file.url = new URL(file.url, base).href;
  // Where the unpacked packages are kept, and the memory of a Python that has imported
  // them.
  const digest = await hash(`${IMAGES} ${JSON.stringify(list.files)}`);
  list.packages = new URL(`kept/packages-${digest}`, base).href;
  list.memory = new URL(`kept/memory-${digest}`, base).href;
  return list;
}

async function hash(words) {
  const bytes =
    typeof words === "string" ? new TextEncoder().encode(words) : words;
  // On a page that is not secure there is no digest, and no cache either.
  if (!crypto.subtle) return "unchecked";
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** The bytes of a kept file, or null. */
export async function kept(url) {
  const answer = await (await cache())?.match(url);
  return answer ? new Uint8Array(await answer.arrayBuffer()) : null;
}

/** Keep a blob for the next start. If the disk is full, nothing is kept. */
export async function keep(url, blob) {
  try {
    await (await cache())?.put(url, new Response(blob));
  } catch {
    // The next page downloads again.
  }
}

/** Delete what the present list does not name: it belongs to an older book. */
export async function forget(list) {
  const store = await cache();
  if (!store) return;
  const wanted = new Set([list.packages, list.memory, ...list.files.map((file) => file.url)]);
  for (const request of await store.keys()) {
    if (!wanted.has(request.url) && !request.url.endsWith("/files.json")) {
      await store.delete(request);
    }
  }
}

/** The bytes that a start would have to download. */
export async function missing(list) {
  const store = await cache();
  const have = store
    ? new Set((await store.keys()).map((request) => request.url))
    : new Set();
  return list.files
    .filter((file) => !have.has(file.url))
    .filter((file) => file.kind === "runtime" || !have.has(list.packages))
    .reduce((sum, file) => sum + file.size, 0);
}

/** A file's bytes, from the cache or the network, with its hash checked. */
export async function obtain(file, onBytes) {
  const before = await kept(file.url);
  if (before) {
    onBytes(before.length);
    return before;
  }
  const where = new URL(file.url);
  let answer;
  try {
    answer = await fetch(where, { cache: "no-store" });
  } catch {
    throw new Failure(
      `${where.host} could not be reached, so Python cannot be downloaded. ` +
        "Is there a network?",
    );
  }
  if (!answer.ok) {
    throw new Failure(
      `${where.host} answered ${answer.status} instead of sending a part of Python.`,
    );
  }
  const bytes = new Uint8Array(file.size);
  let count = 0;
  const reader = answer.body.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      // A file that is longer than listed is refused below.
      if (count + value.length <= bytes.length) bytes.set(value, count);
      count += value.length;
      onBytes(value.length);
    }
  } catch {
    throw new Failure("The download of Python was cut off.");
  }
  const found = await hash(bytes);
  if (count !== file.size || (found !== file.sha256 && found !== "unchecked")) {
    throw new Failure(
      `A part of Python that ${where.host} sent is not what this book was made ` +
        "with (its hash is wrong), so it is not run.",
    );
  }
  return bytes;
}

/**
 * The members of a zip file, as [name, bytes] pairs.
 *
 * The browser inflates them itself, which is quicker than Python doing so.
 */
export async function unzip(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let end = bytes.length - 22;
  while (view.getUint32(end, true) !== 0x06054b50) end--;
  const count = view.getUint16(end + 10, true);
  let at = view.getUint32(end + 16, true);
  const names = new TextDecoder();
  const members = [];
  for (let k = 0; k < count; k++) {
    const method = view.getUint16(at + 10, true);
    const packed = view.getUint32(at + 20, true);
    const size = view.getUint32(at + 24, true);
    const [nameLength, extra, comment] = [28, 30, 32].map((place) =>
      view.getUint16(at + place, true),
    );
    const local = view.getUint32(at + 42, true);
    const name = names.decode(bytes.subarray(at + 46, at + 46 + nameLength));
    const start =
      local + 30 + view.getUint16(local + 26, true) + view.getUint16(local + 28, true);
    if (!name.endsWith("/") && !/(^|\/)tests?\/|\.pyi$/.test(name)) {
      members.push({ name, method, size, raw: bytes.subarray(start, start + packed) });
    }
    at += 46 + nameLength + extra + comment;
  }
  return Promise.all(
    members.map(async ({ name, method, size, raw }) => [
      name,
      method ? await inflate(raw, size) : raw,
    ]),
  );
}

async function inflate(raw, size) {
  const inflater = new DecompressionStream("deflate-raw");
  const writer = inflater.writable.getWriter();
  writer.write(raw);
  writer.close();
  const bytes = new Uint8Array(size);
  let count = 0;
  const reader = inflater.readable.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return bytes;
    bytes.set(value, count);
    count += value.length;
  }
}

/**
 * Write many files into one: the length of the table of contents (4 bytes), the table
 * as JSON ([name, start, end], …), and the contents.
 */
export function pack(members) {
  let start = 0;
  const table = [];
  for (const [name, bytes] of members) {
    table.push([name, start, (start += bytes.length)]);
  }
  const head = new TextEncoder().encode(JSON.stringify(table));
  const image = new Uint8Array(4 + head.length + start);
  new DataView(image.buffer).setUint32(0, head.length, true);
  image.set(head, 4);
  let at = 4 + head.length;
  for (const [, bytes] of members) {
    image.set(bytes, at);
    at += bytes.length;
  }
  return image;
}

/** The [name, bytes] pairs that `pack` wrote; the bytes are views, not copies. */
export function unpack(image) {
  const length = new DataView(image.buffer, image.byteOffset).getUint32(0, true);
  const table = JSON.parse(new TextDecoder().decode(image.subarray(4, 4 + length)));
  return table.map(([name, start, end]) => [
    name,
    image.subarray(4 + length + start, 4 + length + end),
  ]);
}
