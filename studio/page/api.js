// What is asked of the studio over HTTP, and what it says where it cannot.

let csrf = "";

export class Refused extends Error {
  constructor(word, line, status) {
    super(line);
    this.word = word;
    this.status = status;
  }

  // Whether the same may work a little later, without anything being changed.
  get passes() {
    return this.status === 0 || this.status === 429 || this.status >= 500 || this.word === "busy";
  }
}

async function refusalOf(answer) {
  try {
    const { error } = await answer.json();
    return new Refused(error.word, error.line, answer.status);
  } catch {
    return new Refused("unknown", `the studio answers ${answer.status}`, answer.status);
  }
}

async function send(method, path, { json, body, type, signal }) {
  const headers = {};
  if (method !== "GET") headers["X-CSRF-Token"] = csrf;
  if (json !== undefined) headers["Content-Type"] = "application/json";
  if (type) headers["Content-Type"] = type;
  try {
    return await fetch(path, { method, headers, signal, body: json === undefined ? body : JSON.stringify(json) });
  } catch (error) {
    if (error.name === "AbortError" || signal?.aborted) throw error;
    throw new Refused("connection_lost", "the studio does not answer: is it running?", 0);
  }
}

function toLogin() {
  location.replace("/login");
}

// Of a JSON answer its value, of one without a body null. A token that is no longer the page's own is fetched anew, once.
export async function ask(method, path, options = {}) {
  if (method !== "GET" && !csrf) await readState();
  let answer = await send(method, path, options);
  if (answer.status === 403 && method !== "GET") {
    await readState();
    answer = await send(method, path, options);
  }
  if (answer.status === 401) toLogin();
  if (!answer.ok) throw await refusalOf(answer);
  const text = await answer.text();
  return text ? JSON.parse(text) : null;
}

export async function readState() {
  const answer = await send("GET", "/api/state", {});
  if (answer.status === 401) toLogin();
  if (!answer.ok) throw await refusalOf(answer);
  const state = await answer.json();
  csrf = state.csrf ?? csrf;
  return state;
}

// A file of any size, with how much of it went: `fetch` does not tell that. The token is fetched anew before: a file that
// is refused for an old one would have to be sent twice.
export async function upload(file, progress) {
  await readState();
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", `/api/uploads?name=${encodeURIComponent(file.name)}`);
    request.setRequestHeader("X-CSRF-Token", csrf);
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.responseType = "json";
    request.upload.addEventListener("progress", (event) => progress(event.loaded / Math.max(1, event.total)));
    request.addEventListener("error", () =>
      reject(new Refused("connection_lost", "the upload broke off: is the studio running?", 0)),
    );
    request.addEventListener("load", () => {
      if (request.status === 401) toLogin();
      if (request.status < 300) resolve(request.response);
      else
        reject(
          new Refused(
            request.response?.error?.word ?? "unknown",
            request.response?.error?.line ?? `the studio answers ${request.status}`,
            request.status,
          ),
        );
    });
    request.send(file);
  });
}
