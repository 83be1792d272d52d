// The view Models: the files of the folder, what was live when, and a roll back.

import { ask } from "./api.js";
import { confirmed } from "./dialogs.js";
import { byId, setText } from "./elements.js";
import { on } from "./feed.js";
import { modelCard } from "./modelcard.js";
import { showHistory } from "./timeline.js";
import { beginUpload } from "./uploading.js";
import { moment, sentence, shortId } from "./wording.js";

const GENTLY = 250;

let isVisible = false;
let timer = 0;
let live = "";
let retraining = "";
const shown = new Map(); // what is shown of each model, and its element

function changed() {
  clearTimeout(timer);
  if (isVisible) timer = setTimeout(refresh, GENTLY);
}

async function rollBack(model, verb) {
  const sure = await confirmed({
    title: `${verb}?`,
    text: `${model.name} (${shortId(model.model_id)}) becomes the live one, whatever else is newer. The stream goes on meanwhile.`,
    yes: verb,
  });
  if (!sure) return;
  try {
    await ask("POST", "/api/models/rollback", { json: { model_id: model.model_id } });
    setText(byId("models-line"), "");
  } catch (error) {
    setText(byId("models-line"), `Not rolled back: ${error.message}`);
  }
  changed();
}

// An element is kept where nothing of its model is otherwise: what was unfolded stays so.
function nodeOf(model, verb) {
  const key = model.file ?? model.model_id;
  const told = JSON.stringify([model, verb]);
  const before = shown.get(key);
  if (before?.told === told) return before.node;
  const node = modelCard(model, { verb, act: rollBack });
  const fold = node.querySelector("details");
  if (fold && before?.node.querySelector("details")?.open) fold.open = true;
  shown.set(key, { told, node });
  return node;
}

// Back to what is older than the live model; what is newer was rolled back from.
function verbOf(model, liveOne) {
  return moment(model.modified) > moment(liveOne?.modified) ? "Make live" : "Roll back";
}

function showModels(models) {
  const liveOne = models.find(({ standing }) => standing === "live");
  const nodes = models.map((model) => nodeOf(model, verbOf(model, liveOne)));
  const list = byId("models");
  if (nodes.length !== list.children.length || nodes.some((node, index) => node !== list.children[index]))
    list.replaceChildren(...nodes);
  setText(byId("models-empty"), "There is no model in the folder yet.");
  byId("models-empty").hidden = models.length > 0;
}

async function refresh() {
  try {
    const { models, history } = await ask("GET", "/api/models");
    showModels(models);
    showHistory(history);
    if (byId("models-line").dataset.of === "reading") setText(byId("models-line"), "");
    byId("models-line").dataset.of = "";
  } catch (error) {
    byId("models-line").dataset.of = "reading";
    setText(byId("models-line"), sentence(error.message));
  }
}

export function beginModels() {
  beginUpload(changed);
  on("view", (name) => {
    isVisible = name === "models";
    changed();
  });
  on("connected", changed);
  on("model_event", changed);
  on("settled", changed);
  on("state", (state) => {
    const now = state.live?.model_id ?? "";
    if (now !== live || state.retraining.state !== retraining) changed();
    live = now;
    retraining = state.retraining.state;
  });
}
