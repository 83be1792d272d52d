// Begins everything, and shows the view that the address names.

import { readState } from "./api.js";
import { beginDraw } from "./draw.js";
import { byId } from "./elements.js";
import { connect, tell } from "./feed.js";
import { beginHeader } from "./header.js";
import { beginModels } from "./models.js";
import { beginRetrain } from "./retrain.js";
import { beginStream } from "./stream.js";
import { beginTrial } from "./trial.js";

const VIEWS = { draw: "Draw", models: "Models", stream: "Stream" };

function showView(byUser) {
  const wanted = location.hash.slice(1);
  const name = wanted in VIEWS ? wanted : "draw";
  for (const each of Object.keys(VIEWS)) byId(`view-${each}`).hidden = each !== name;
  for (const link of document.querySelectorAll(".views a")) {
    if (link.dataset.view === name) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.title = `${VIEWS[name]} · hotswap studio`;
  if (byUser) {
    window.scrollTo(0, 0);
    byId(`${name}-title`).focus({ preventScroll: true });
  }
  tell("view", name);
}

async function begin() {
  beginHeader();
  beginDraw();
  beginRetrain();
  beginTrial();
  beginModels();
  beginStream();
  byId("skip").addEventListener("click", (event) => {
    event.preventDefault();
    byId("main").focus();
  });
  window.addEventListener("hashchange", () => showView(true));
  showView(false);
  connect();
  try {
    tell("state", await readState());
  } catch {
    tell("lost");
  }
}

begin();
