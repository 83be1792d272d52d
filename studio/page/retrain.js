// The card beside the drawing: corrections that wait, the retraining that runs, and what came of it.

import { ask, readState } from "./api.js";
import { byId, el, setText } from "./elements.js";
import { on, tell } from "./feed.js";
import { clock, count, lasting, onThisPage, sentence } from "./wording.js";

const LOOKS = { published: "good", refused: "warn", failed: "bad", running: "good" };
const LINES = {
  idle: "Correct what was misread, then let the model learn from it.",
  running: "A model is being trained.",
  published: "A better model was published.",
  refused: "The new model was not better, and was not published.",
  failed: "The retraining ended before its time.",
};
const KINDS = { tuning: "Tuned", __default__: "Trained anew" };

const TOLD_BY_LINE = new Set(["first", "no_corrections", "no_unseen_corrections"]);

let isAsking = false;
let runsOf = "";

const HINTS = {
  no_unseen_corrections: "The very same drawing does not count twice: draw it a little differently.",
};

function showRetraining(now) {
  const badge = byId("retraining");
  setText(badge, now.state);
  badge.className = `badge ${LOOKS[now.state] ?? ""}`;
  setText(byId("retrain-line"), lineOf(now));
  setText(byId("retrain-detail"), detailOf(now));
  const progress = byId("retrain-progress");
  progress.value = now.state === "running" ? now.percent : now.state === "idle" ? 0 : 100;
  progress.classList.toggle("still", now.state !== "running" && now.state !== "published");
  setText(byId("retrain"), now.state === "running" ? "Retrain after this" : "Retrain now");
}

function detailOf(now) {
  if (now.reason in HINTS) return HINTS[now.reason];
  return now.detail && !TOLD_BY_LINE.has(now.reason) && !now.line.includes(now.detail) ? onThisPage(now.detail) : "";
}

function lineOf(now) {
  const line = onThisPage(now.line || LINES[now.state]);
  const spent = now.state === "running" && now.seconds >= 1 ? ` (${lasting(now.seconds)})` : "";
  return `${line}${spent}${now.queued ? " Another run follows." : ""}`;
}

function showCounts(corrections) {
  for (const name of ["total", "seen", "unseen"]) setText(byId(`count-${name}`), corrections ? corrections[name] : "–");
  const until = byId("until");
  const after = corrections?.retrain_after ?? 0;
  until.hidden = after === 0;
  if (!corrections) setText(byId("until-line"), "The corrections cannot be counted now.");
  else if (after === 0) setText(byId("until-line"), "It retrains when you say so.");
  else {
    until.max = after;
    until.value = Math.min(after, corrections.since_run);
    const left = Math.max(0, after - corrections.since_run);
    setText(
      byId("until-line"),
      left
        ? `${count(left, "more correction", "more corrections")} until it retrains by itself`
        : "It retrains by itself now",
    );
  }
}

async function start(pipeline) {
  setText(byId("retrain-trouble"), "");
  isAsking = true;
  const before = byId("retraining").textContent;
  setText(byId("retraining"), "running");
  try {
    await ask("POST", "/api/retraining", { json: { pipeline } });
    isAsking = false;
    tell("state", await readState());
  } catch (error) {
    if (isAsking) setText(byId("retraining"), before);
    setText(byId("retrain-trouble"), sentence(error.message));
  }
  isAsking = false;
}

function run(each) {
  const badge = el("span", { class: `badge ${LOOKS[each.state] ?? ""}` }, each.state);
  const title = `${KINDS[each.pipeline] ?? each.pipeline} on ${count(each.corrections, "correction", "corrections")}`;
  return el(
    "li",
    {},
    badge,
    el("span", {}, `${title}, ${clock(each.started)}`),
    each.detail || each.reason
      ? el("span", { class: "why" }, onThisPage(each.detail || each.reason.replaceAll("_", " ")))
      : null,
  );
}

async function showRuns() {
  if (!byId("runs-fold").open) return;
  try {
    const { runs } = await ask("GET", "/api/retraining/runs");
    byId("runs").replaceChildren(...(runs.length ? runs.map(run) : [el("li", { class: "muted" }, "None yet.")]));
  } catch (error) {
    byId("runs").replaceChildren(el("li", { class: "trouble-line" }, sentence(error.message)));
  }
}

export function beginRetrain() {
  on("state", ({ retraining, corrections }) => {
    showCounts(corrections);
    if (isAsking) return; // what was so before the button counts no more
    showRetraining(retraining);
    const now = `${retraining.state} ${retraining.model_id} ${retraining.queued}`;
    if (now !== runsOf) showRuns();
    runsOf = now;
  });
  byId("retrain").addEventListener("click", () => start("tuning"));
  byId("train-anew").addEventListener("click", () => start("__default__"));
  byId("runs-fold").addEventListener("toggle", showRuns);
}
