// The strip that is always there, and what is wrong at the moment.

import { byId, el, setId, setText } from "./elements.js";
import { on } from "./feed.js";
import { sentence } from "./wording.js";

const TITLES = {
  stream: "The stream",
  database: "The database is away",
  disk: "The disk",
  connection: "Connection lost",
};
const LOG = "stream_log"; // is told in the view Stream
const BRIEFLY = 1200; // a reconnection is not worth a word

let shown = "";
let lostSince = 0;

function banner(what, line, bad = false) {
  const title = TITLES[what] ?? sentence(what.replaceAll("_", " "));
  return el(
    "div",
    { class: bad ? "banner bad" : "banner", "data-what": what },
    el("b", {}, title),
    el("span", {}, sentence(line)),
  );
}

function showTroubles(state) {
  const troubles = (state.troubles ?? []).filter(({ what }) => what !== LOG);
  const key = JSON.stringify(troubles);
  if (key === shown) return;
  shown = key;
  byId("banners").replaceChildren(...troubles.map((trouble) => banner(trouble.what, trouble.line)));
}

function showLive(live) {
  const node = byId("live-model");
  const wanted = live?.model_id ?? "";
  if (node.textContent === wanted) return;
  const fact = node.closest(".fact");
  fact.classList.toggle("swapped", node.textContent !== "" && wanted !== "");
  setId(node, wanted);
  byId("live-box").title = live ? `${live.name}: ${live.model_id}` : "";
}

function showStream(word, detail) {
  setText(byId("stream-state"), word);
  byId("stream-dot").className = `dot ${word}`;
  byId("stream-state").title = detail ?? "";
}

function show(state) {
  showStream(state.stream.state, state.stream.detail);
  showLive(state.live);
  setText(byId("swaps"), state.swaps);
  setText(byId("results"), state.results);
  showTroubles(state);
}

function connected() {
  clearTimeout(lostSince);
  lostSince = 0;
  byId("lost").replaceChildren();
}

function lost() {
  if (lostSince) return;
  lostSince = setTimeout(() => {
    showStream("lost", "no connection to the studio");
    byId("lost").replaceChildren(
      banner(
        "connection",
        "the studio does not answer. This page tries again by itself; what you draw meanwhile is kept.",
        true,
      ),
    );
  }, BRIEFLY);
}

export function beginHeader() {
  on("state", show);
  on("connected", connected);
  on("lost", lost);
  byId("live-model")
    .closest(".fact")
    .addEventListener("animationend", (event) => event.currentTarget.classList.remove("swapped"));
}
