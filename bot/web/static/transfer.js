// Bytes to the server. It owns the offset: after every doubt it is asked, and what it says counts.

const LEAST = 64 * 1024, FIRST = 1024 * 1024, MOST = 8 * 1024 * 1024; // bytes of one request
const QUICK = 1500, SLOW = 8000, STALLED = 45000; // milliseconds
const RESTS = [500, 1000, 2000, 4000, 8000, 15000];

/** What the server answered, when that is not yes. Status 0: nothing at all. */
export class Problem extends Error {
  constructor(status, refused, offset) {
    super(`${status} ${refused}`);
    this.status = status;
    this.refused = refused;
    this.offset = offset;
  }
}

/** One page's talk with the server. */
export class Line {
  #bearer = "";
  #chunk = FIRST;

  /** Ask; the answer's status is yes, or a Problem is thrown. `seen` hears how many bytes have gone. */
  ask(method, path, { json, body, headers = {}, seen, cut } = {}) {
    const { promise, resolve, reject } = Promise.withResolvers?.() ?? withResolvers();
    const xhr = new XMLHttpRequest();
    xhr.open(method, path);
    xhr.timeout = STALLED;
    if (this.#bearer) xhr.setRequestHeader("Authorization", `Bearer ${this.#bearer}`);
    for (const [name, value] of Object.entries(headers)) xhr.setRequestHeader(name, value);
    if (json) xhr.setRequestHeader("Content-Type", "application/json");
    if (seen) xhr.upload.onprogress = (event) => seen(event.loaded);
    cut?.addEventListener("abort", () => xhr.abort());
    xhr.onerror = xhr.ontimeout = xhr.onabort = () => reject(new Problem(0, "", NaN));
    xhr.onload = () => {
      this.#bearer = xhr.getResponseHeader("Upload-Session") || this.#bearer;
      const offset = Number.parseInt(xhr.getResponseHeader("Upload-Offset") ?? "", 10);
      const said = parsed(xhr.responseText);
      if (xhr.status >= 200 && xhr.status < 300) resolve({ said, offset });
      else reject(new Problem(xhr.status, said.refused ?? "", offset));
    };
    xhr.send(json ? JSON.stringify(json) : body ?? null);
    return promise;
  }

  /** Open the page for whoever the link or Telegram says it is. */
  async enter({ token, telegram, browser }) {
    const given = telegram ? { telegram } : token ? { token, browser } : null;
    const { said } = given ? await this.ask("POST", "upload/session", { json: given }) : await this.again();
    this.#bearer = said.bearer || this.#bearer;
    return said;
  }

  again() {
    return this.ask("GET", "upload/session");
  }

  /** Send what is missing of `item` = {file, id, sent}; `changed` is called as it goes. Ends only when all is there. */
  async carry(item, changed, cut) {
    if (!item.id) {
      const json = { name: item.file.name, size: item.file.size, mark: item.mark };
      item.id = (await this.ask("POST", "upload/files", { json, cut })).said.id;
      item.sent = 0;
    }
    while (item.sent < item.file.size) {
      const from = item.sent, body = item.file.slice(from, from + this.#chunk), began = performance.now();
      const headers = { "Upload-Offset": String(from), "Content-Type": "application/offset+octet-stream" };
      const seen = (loaded) => changed(from + Math.min(loaded, body.size));
      const { offset } = await this.ask("PATCH", `upload/files/${item.id}`, { body, headers, seen, cut });
      item.sent = offset;
      changed(offset);
      this.#learn(performance.now() - began, body.size);
    }
  }

  /** After a doubt: how much of `item` is there? Nothing, when the server has forgotten it. */
  async recall(item, changed, cut) {
    this.#chunk = Math.max(LEAST, this.#chunk / 2);
    if (!item.id) return;
    try {
      item.sent = (await this.ask("HEAD", `upload/files/${item.id}`, { cut })).offset;
    } catch (problem) {
      if (problem.status !== 404) throw problem;
      item.id = null;
      item.sent = 0;
    }
    changed(item.sent);
  }

  drop(item) {
    return item.id ? this.ask("DELETE", `upload/files/${item.id}`) : null;
  }

  #learn(took, size) {
    if (took < QUICK && size >= this.#chunk) this.#chunk = Math.min(MOST, this.#chunk * 2);
    else if (took > SLOW) this.#chunk = Math.max(LEAST, this.#chunk / 2);
  }
}

/** Wait before the `n`-th try, or until the browser says that it is online again. */
export function rest(n, cut) {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      removeEventListener("online", done);
      resolve();
    };
    const timer = setTimeout(done, RESTS[Math.min(n, RESTS.length - 1)]);
    addEventListener("online", done);
    cut?.addEventListener("abort", done);
  });
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}

function withResolvers() {
  const made = {};
  made.promise = new Promise((resolve, reject) => Object.assign(made, { resolve, reject }));
  return made;
}
