// The card Trial: which model is tried against which, how far it is, and what speaks for and against it. Where none was
// ever held and none will be, the card is not there. It stands beside the drawing, and among the models.

import { ask } from "./api.js";
import { confirmed } from "./dialogs.js";
import { byId, setId, setText } from "./elements.js";
import { on } from "./feed.js";
import { criterion } from "./criterion.js";
import { schedule } from "./schedule.js";
import { clock, count, lasting, nick, percent, sentence } from "./wording.js";

const LOOKS = { running: "good", promoted: "good", rolled_back: "warn", none: "" };
const PLACES = { draw: "trial-beside-drawing", models: "trial-among-models" };

let shown = null; // the trial that stands on the page: the buttons are about this one
let isAsking = false;

export function isUnderWay() {
  return shown?.state === "running";
}

function lineOf(trial) {
  if (trial.state === "none") return `The next new model is tried before it answers everything: ${trial.terms}.`;
  const name = nick(trial.new.name, trial.new.model_id);
  if (trial.state === "promoted") return `${name} went live.`;
  if (trial.state === "rolled_back") return `${name} was rolled back.`;
  const share = percent(trial.share, 0);
  return trial.mode === "canary" ? `${name} answers ${share} of the images.` : `${name} reads ${share} of the images beside the live model.`;
}

function progressOf(trial) {
  if (trial.ended) return `Ended ${clock(trial.ended.time)}`;
  const { minutes } = trial.steps[trial.step - 1];
  const step = trial.steps.length > 1 ? `step ${trial.step} of ${trial.steps.length}, ` : "";
  return sentence(`${step}${lasting(trial.seconds_in_step)} of ${lasting(minutes * 60)}`);
}

function showSide(side, model, images) {
  setId(byId(`trial-${side}`), model.model_id);
  byId(`trial-${side}`).parentElement.title = model.model_id;
  setText(byId(`trial-${side}-images`), Number.isInteger(images) ? count(images, "image", "images") : "");
}

function showCriteria(findings) {
  const list = byId("trial-criteria");
  const told = JSON.stringify(findings);
  if (list.dataset.told === told) return;
  list.dataset.told = told;
  list.replaceChildren(...findings.map(criterion));
}

function show(trial) {
  const before = shown?.state;
  shown = trial;
  const isRunning = trial.state === "running";
  const isThere = trial.state !== "none";
  byId("trial").hidden = !isThere && !trial.terms;
  const badge = byId("trial-state");
  setText(badge, trial.state);
  badge.className = `badge ${LOOKS[trial.state] ?? ""}`;
  setText(byId("trial-line"), lineOf(trial));
  setText(byId("trial-why"), sentence(trial.ended?.why));
  byId("trial-body").hidden = !isThere;
  byId("trial-actions").hidden = !isRunning;
  if (!isRunning) setText(byId("trial-trouble"), "");
  setText(byId("trial-share"), isThere ? percent(trial.share, 0) : "");
  if (!isThere) return;
  setText(byId("trial-progress"), progressOf(trial));
  byId("trial-schedule").replaceChildren(...(isRunning ? [schedule(trial)] : []));
  const { images = {}, findings = [] } = trial.judgement;
  showSide("new", trial.new, images.new);
  showSide("old", trial.old, images.old);
  showCriteria(findings);
  const fold = byId("trial-fold");
  fold.hidden = findings.length === 0;
  if (trial.state !== before) fold.open = isRunning;
}

async function end(how, title, text) {
  if (isAsking || !isUnderWay()) return;
  const { number } = shown;
  if (!(await confirmed({ title: `${title}?`, text, yes: title }))) return;
  isAsking = true;
  try {
    show(await ask("POST", `/api/trial/${how}`, { json: { number } }));
    setText(byId("trial-trouble"), "");
  } catch (error) {
    setText(byId("trial-trouble"), sentence(error.message));
  }
  isAsking = false;
}

async function refresh() {
  try {
    show(await ask("GET", "/api/trial"));
    setText(byId("trial-trouble"), "");
  } catch (error) {
    setText(byId("trial-trouble"), sentence(error.message));
  }
}

export function beginTrial() {
  on("trial", show);
  on("connected", refresh);
  on("view", (name) => name in PLACES && byId(PLACES[name]).append(byId("trial")));
  byId("trial-promote").addEventListener("click", () =>
    end("promote", "Promote now", `${shown.new.name} answers every image from now on, whatever is proved so far.`),
  );
  byId("trial-abort").addEventListener("click", () =>
    end("abort", "Abort", `${shown.new.name} is rolled back, and is not tried again until its file changes or you say so. ${shown.old.name} answers meanwhile as before.`),
  );
}
