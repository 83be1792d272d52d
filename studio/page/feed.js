// The one stream of events of this page. It comes back by itself, and those who listen are told when it did.

import { readState } from "./api.js";

const KINDS = ["state", "second", "model_event", "dead_letter", "trial"];
const SILENCE = 15_000; // a second's figures come each second
const UNSEEN = 60_000;
const PAUSES = [500, 1000, 2000, 4000, 8000];

const listeners = new Map();
let source = null;
let failures = 0;
let watchdog = 0;
let again = 0;
let resting = 0;

export function on(kind, listener) {
  if (!listeners.has(kind)) listeners.set(kind, new Set());
  listeners.get(kind).add(listener);
}

export function tell(kind, value) {
  for (const listener of listeners.get(kind) ?? []) listener(value);
}

function alive() {
  clearTimeout(watchdog);
  watchdog = setTimeout(lost, SILENCE);
}

function connected() {
  failures = 0;
  tell("connected");
}

async function lost() {
  clearTimeout(watchdog);
  source?.close();
  source = null;
  if (again) return;
  tell("lost");
  again = setTimeout(connect, PAUSES[Math.min(failures, PAUSES.length - 1)]);
  failures += 1;
  try {
    tell("state", await readState()); // which goes to the login where one is asked for
  } catch {
    // The next try tells.
  }
}

function rest() {
  clearTimeout(watchdog);
  clearTimeout(again);
  again = 0;
  source?.close();
  source = null;
}

export function connect() {
  clearTimeout(again);
  again = 0;
  source?.close();
  source = new EventSource("/api/events");
  const opened = source;
  let isHeard = false; // an answer that ends before it tells anything is no connection
  alive();
  source.addEventListener("error", lost);
  for (const kind of KINDS) {
    source.addEventListener(kind, (event) => {
      if (source !== opened) return;
      alive();
      if (!isHeard) connected();
      isHeard = true;
      tell(kind, JSON.parse(event.data));
    });
  }
}

// A browser has but a handful of connections to one host for all its pages: one that nobody looks at gives its own back.
document.addEventListener("visibilitychange", () => {
  clearTimeout(resting);
  if (document.hidden) resting = setTimeout(rest, UNSEEN);
  else if (source === null) connect();
});

// A phone that slept, or a page out of the browser's memory, looks at once rather than at the next try.
window.addEventListener("online", connect);
window.addEventListener("pageshow", (event) => event.persisted && connect());
