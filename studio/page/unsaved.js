// Corrections on their way to the database. One that cannot be kept now is tried again until it can, over a reload too.

import { ask, Refused } from "./api.js";
import { on, tell } from "./feed.js";

const SHELF = "unsaved-corrections";
const OF_THIS_ONE = "internal"; // any other refusal that passes is one of them all
const PAUSES = [1000, 2000, 4000, 8000];

const queue = new Map(); // drawing -> label, or null where a correction is taken back
let isSending = false;
let wake = null;
export let trouble = ""; // why they are not kept yet

function remember() {
  try {
    sessionStorage.setItem(SHELF, JSON.stringify([...queue]));
  } catch {
    // They are still kept as long as the page is open.
  }
}

function recall() {
  try {
    for (const [drawing, label] of JSON.parse(sessionStorage.getItem(SHELF) ?? "[]")) queue.set(drawing, label);
  } catch {
    sessionStorage.removeItem(SHELF);
  }
}

export function size() {
  return queue.size;
}

export function isUnsaved(drawing) {
  return queue.has(drawing);
}

export function keep(drawing, label) {
  queue.delete(drawing);
  queue.set(drawing, label);
  remember();
  send();
}

function sendOne(drawing, label) {
  const path = `/api/drawings/${encodeURIComponent(drawing)}/correction`;
  return label === null ? ask("DELETE", path) : ask("PUT", path, { json: { label } });
}

function nap(milliseconds) {
  return new Promise((resolve) => {
    wake = resolve;
    setTimeout(resolve, milliseconds);
  });
}

async function send() {
  if (isSending) {
    wake?.();
    return;
  }
  isSending = true;
  const refused = new Set(); // since the last pause
  for (let failures = 0; queue.size > 0;) {
    const [drawing, label] = queue.entries().next().value;
    try {
      await sendOne(drawing, label);
      trouble = "";
      failures = 0;
      settle(drawing, label, "");
    } catch (error) {
      if (!(error instanceof Refused) || !error.passes) {
        settle(drawing, label, label === null && error.word === "not_found" ? "" : error.message);
        continue;
      }
      trouble = error.message;
      tell("unsaved");
      putLast(drawing, label);
      refused.add(drawing);
      if (error.word === OF_THIS_ONE && [...queue.keys()].some((each) => !refused.has(each))) continue;
      refused.clear();
      await nap(PAUSES[Math.min(failures, PAUSES.length - 1)]);
      failures += 1;
    }
  }
  isSending = false;
}

// One that cannot be kept holds up no other.
function putLast(drawing, label) {
  if (queue.get(drawing) !== label) return;
  queue.delete(drawing);
  queue.set(drawing, label);
}

// Another label may have been tapped meanwhile: that one is still to be sent.
function settle(drawing, label, refusal) {
  if (queue.get(drawing) !== label) return;
  queue.delete(drawing);
  remember();
  tell("settled", { drawing, label, refusal });
}

export function beginUnsaved() {
  recall();
  on("connected", () => (queue.size ? send() : null));
  if (queue.size) send();
}
