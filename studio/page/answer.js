// The answer as it is shown and spoken: digit, bars, model, milliseconds.

import { byId, el, setId, setText } from "./elements.js";
import { on } from "./feed.js";
import { onThisPage, percent, sentence, shortId } from "./wording.js";

const DIGITS = [..."0123456789"];
const NOTHING = "?"; // shown faintly, by the style, where there is no answer
const card = byId("answer-card");
const answer = byId("answer");
let rows = new Map();
let isWaiting = false;
let state = null;

function makeRows(labels) {
  rows = new Map(
    labels.map((label) => {
      const fill = el("span", { class: "fill" });
      const value = el("span", {}, "");
      const row = el(
        "li",
        { class: "bar", "data-label": label },
        el("span", { title: label }, label),
        el("span", { class: "track", "aria-hidden": "true" }, fill),
        value,
      );
      return [label, { row, fill, value }];
    }),
  );
  byId("bars").classList.toggle(
    "named",
    labels.some((label) => label.length > 1),
  );
  byId("bars").replaceChildren(...[...rows.values()].map(({ row }) => row));
}

function showScores(scores, best) {
  const areDigits = scores.every(({ label }) => DIGITS.includes(label));
  const labels = areDigits ? DIGITS : scores.map(({ label }) => label);
  if (labels.join("\n") !== [...rows.keys()].join("\n")) makeRows(labels);
  const byLabel = new Map(scores.map(({ label, score }) => [label, score]));
  for (const [label, { row, fill, value }] of rows) {
    const score = byLabel.get(label);
    fill.style.transform = `scaleX(${Math.min(1, Math.max(0, score ?? 0))})`;
    setText(value, score === undefined ? "" : percent(score));
    row.classList.toggle("best", label === best);
  }
}

function line(text, isCalm = false) {
  const node = byId("answer-line");
  node.classList.toggle("calm", isCalm);
  setText(node, sentence(text));
}

function setWaiting(waiting) {
  isWaiting = waiting;
  card.classList.toggle("waiting", waiting);
}

function withoutAnswer() {
  answer.dataset.before = answer.textContent || answer.dataset.before || NOTHING;
  setText(answer, "");
  delete answer.dataset.drawing;
  delete answer.dataset.milliseconds;
  setText(byId("milliseconds"), "");
}

// A stroke is being drawn: what was answered before is of another drawing.
export function strokeBegan() {
  withoutAnswer();
  setText(byId("sure"), "drawing …");
  line("");
}

export function asked() {
  withoutAnswer();
  setWaiting(true);
  setText(byId("sure"), "reading …");
  setText(byId("spoken"), "");
  waiting("");
}

export function cleared() {
  withoutAnswer();
  setWaiting(false);
  answer.dataset.before = NOTHING;
  setText(byId("sure"), "no drawing yet");
  setId(byId("model-id"), "");
  setText(byId("spoken"), "");
  showScores([], "");
  line("");
}

function whyItWaits() {
  if (!state) return "";
  if (!state.live && state.retraining.state === "running") {
    return `the first model is being trained (${state.retraining.percent} %): the answer comes when it is live`;
  }
  if (!state.live && state.retraining.state === "failed") return `there is no model yet: ${onThisPage(state.retraining.line)}`;
  if (!state.live) return "no model is live yet: the answer comes when one is";
  if (state.stream.state !== "running") return `the stream is ${state.stream.state}: the answer comes when it runs`;
  return "";
}

export function waiting(text) {
  line(text || whyItWaits(), !text);
}

export function failed(text) {
  setWaiting(false);
  setText(byId("sure"), "not read");
  line(text);
}

export function read(told, endedAt) {
  setWaiting(false);
  answer.classList.toggle("long", told.label.length > 2);
  answer.dataset.before = "";
  answer.dataset.drawing = told.drawing;
  setText(answer, told.label);
  setText(byId("sure"), `${percent(told.score)} sure`);
  setId(byId("model-id"), told.model_id);
  byId("model-id").parentElement.title = `${told.model_name}: ${told.model_id}`;
  showScores(told.scores ?? [], told.label);
  line("");
  const milliseconds = Math.round(performance.now() - endedAt);
  answer.dataset.milliseconds = milliseconds;
  setText(byId("milliseconds"), `${milliseconds} ms`);
  setText(
    byId("spoken"),
    `Read as ${told.label} by ${told.model_name || shortId(told.model_id)}, ${percent(told.score, 0)}`,
  );
}

export function beginAnswer() {
  cleared();
  on("state", (now) => {
    state = now;
    if (isWaiting && byId("answer-line").classList.contains("calm")) line(whyItWaits(), true);
  });
}
