// What was live from when to when: a band, and the same in words.

import { byId, el, svg, tail } from "./elements.js";
import { clock, moment, nick, sentence } from "./wording.js";

const HEIGHT = 64;
const BAND = { top: 24, height: 16 };
const LETTER = 6.8; // of the labels, in pixels: what does not fit is left out
const MOST = 8;

let history = [];

function spansOf(changes) {
  const ordered = changes
    .map((each) => ({ ...each, from: moment(each.since) }))
    .filter((each) => each.from)
    .sort((a, b) => a.from - b.from)
    .slice(-MOST);
  return ordered.map((each, index) => ({
    ...each,
    to: moment(each.until ?? "") ?? ordered[index + 1]?.from ?? new Date(),
    isNow: index === ordered.length - 1 && !each.until,
  }));
}

// A short span is still wide enough to be seen: half of the width is shared evenly, half by time.
function drawBand(spans) {
  const box = byId("timeline");
  box.hidden = spans.length === 0;
  const width = box.clientWidth;
  if (spans.length === 0 || width === 0) return;
  const total = spans.reduce((sum, each) => sum + Math.max(1, each.to - each.from), 0);
  const drawing = svg("svg", { viewBox: `0 0 ${width} ${HEIGHT}`, preserveAspectRatio: "none" });
  let left = 0;
  for (const [index, each] of spans.entries()) {
    const wide = width * (0.5 / spans.length + (0.5 * Math.max(1, each.to - each.from)) / total);
    drawing.append(
      svg(
        "rect",
        {
          x: left,
          y: BAND.top,
          width: Math.max(2, wide - 3),
          height: BAND.height,
          rx: 4,
          class: each.isNow ? "now" : "",
        },
        svg("title", {}, nick(each.name, each.model_id)),
      ),
    );
    const label = nick(each.name, each.model_id);
    const fits = Math.floor((wide - 4) / LETTER);
    const shown = [label, label.split(" ").at(-1)].find(({ length }) => length <= fits);
    if (shown) drawing.append(svg("text", { x: left, y: 15 }, shown));
    if (fits >= 9 || index === 0) drawing.append(svg("text", { x: left, y: 57 }, clock(each.from)));
    left += wide;
  }
  box.replaceChildren(drawing);
}

function words(span) {
  const until = span.isNow ? "now" : clock(span.to);
  return el(
    "li",
    { class: span.isNow ? "now" : "" },
    el("b", {}, nick(span.name, span.model_id)),
    tail(span.model_id),
    el("span", { class: "when" }, `${clock(span.from)} – ${until}`),
    el("span", { class: "small muted" }, sentence([span.why, span.by && `by ${span.by}`].filter(Boolean).join(", "))),
  );
}

export function showHistory(changes) {
  history = changes;
  const spans = spansOf(changes);
  drawBand(spans);
  byId("history").replaceChildren(...[...spans].reverse().map(words));
  byId("history-empty").hidden = spans.length > 0;
}

new ResizeObserver(() => drawBand(spansOf(history))).observe(byId("timeline"));
