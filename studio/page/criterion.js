// One criterion of a trial: its value with the interval that is sure by now, and the limit that it must keep to.

import { el, svg } from "./elements.js";
import { percent, sentence } from "./wording.js";

const NAMES = {
  failures: "Failures",
  slowdown: "Time of a call",
  agreement: "Agreement",
  label_drift: "Drift of labels",
  score_drift: "Drift of scores",
  accuracy: "Accuracy",
  fitness: "Fitness",
};
const WORDS = { proved: "good enough", worse: "too bad", open: "open", unjudged: "not judged" };
const LOOKS = { proved: "good", worse: "bad" };
const LEAST_MATTERS = new Set(["agreement", "accuracy"]); // of these the limit is the least; of all others the most

function told(what, value) {
  if (!Number.isFinite(value)) return "";
  if (what === "accuracy") return value === 0 ? "±0 %" : `${value < 0 ? "−" : "+"}${percent(Math.abs(value))}`;
  if (what === "failures" || what === "agreement") return percent(value);
  return what === "slowdown" ? `${value.toFixed(2)}×` : value.toFixed(3);
}

// What the picture shows: all that there is to show, and room beyond it.
function range({ what, value, low, high, limit }) {
  const all = [value, low, high, limit].filter(Number.isFinite);
  if (what === "agreement") return [Math.max(0, Math.min(...all) - 0.1), 1];
  if (what === "accuracy") return [Math.min(...all, 2 * limit), Math.max(...all, 0.02)];
  const top = Math.max(...all, limit * 1.6 || 0);
  return [Math.min(0, ...all), top || 1];
}

function picture(finding) {
  const { what, value, low, high, limit } = finding;
  const [from, to] = range(finding);
  const at = (number) => 100 * Math.min(1, Math.max(0, (number - from) / (to - from)));
  const across = (number) => `${at(number).toFixed(2)}%`;
  const wide = (a, b) => `${Math.max(0.6, at(b) - at(a)).toFixed(2)}%`;
  const parts = [svg("rect", { class: "track", x: 0, y: 6, width: "100%", height: 8, rx: 4 })];
  if (Number.isFinite(limit)) {
    const bad = LEAST_MATTERS.has(what) ? [from, limit] : [limit, to];
    parts.push(svg("rect", { class: "beyond", x: across(bad[0]), y: 6, width: wide(...bad), height: 8 }));
  }
  if (Number.isFinite(low) && Number.isFinite(high))
    parts.push(svg("rect", { class: "between", x: across(low), y: 8, width: wide(low, high), height: 4, rx: 2 }));
  if (Number.isFinite(limit))
    parts.push(svg("line", { class: "limit", x1: across(limit), x2: across(limit), y1: 2, y2: 18 }));
  if (Number.isFinite(value)) parts.push(svg("circle", { class: "value", cx: across(value), cy: 10, r: 4 }));
  return svg("svg", { class: "interval", width: "100%", height: 20, "aria-hidden": "true", focusable: "false" }, ...parts);
}

export function criterion(finding) {
  const { what, decision, value, counts = true } = finding;
  const isSeen = Number.isFinite(value);
  return el(
    "li",
    { class: `criterion ${decision} ${counts ? "" : "told-alone"}`, "data-testid": `trial-${what}`, "data-decision": decision },
    el("span", { class: "criterion-name" }, NAMES[what] ?? what),
    el("b", {}, told(what, value)),
    el("span", { class: `badge ${counts ? (LOOKS[decision] ?? "") : ""}` }, counts ? (WORDS[decision] ?? decision) : "told alone"),
    isSeen ? picture(finding) : null,
    el("span", { class: "criterion-text" }, sentence(finding.text)),
  );
}
