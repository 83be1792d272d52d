// The view Stream: figures of the last hour as charts, as words and as a table.

import { ask } from "./api.js";
import { Chart } from "./chart.js";
import { end, figuresOf, lastOnes, takeHistory, takeSecond, thinned } from "./columns.js";
import { byId, el, setText } from "./elements.js";
import { on } from "./feed.js";
import { takeEvent, takeLetter, takeLetters } from "./letters.js";
import { moment, nick, sentence } from "./wording.js";

const CHARTS = [
  {
    title: "Results a second",
    unit: "",
    keys: [
      ["results", ""],
      ["dead letters", "third"],
    ],
    lines: [
      { column: "results", colour: "--accent", isStep: true, isFilled: true },
      { column: "dead_letters", colour: "--bad", isBar: true },
    ],
  },
  {
    title: "Published → answered, ms",
    unit: "",
    keys: [
      ["p50", ""],
      ["p99", "second"],
    ],
    lines: [
      { column: "p50", colour: "--accent", isFilled: true },
      { column: "p99", colour: "--line-2" },
    ],
  },
  {
    title: "Images a batch",
    unit: "",
    keys: [["mean", ""]],
    lines: [{ column: "batch", colour: "--accent", isBar: true }],
  },
];
const TILES = [
  ["perSecond", "results a second"],
  ["p50", "ms, p50"],
  ["p99", "ms, p99"],
  ["batch", "images a batch"],
  ["dead", "dead letters this hour"],
];
const TABLE = [
  ["last 10 s", 10],
  ["last minute", 60],
  ["last 5 min", 300],
  ["last hour", 3600],
];
const COLUMNS = [
  ["results", "results"],
  ["perSecond", "a second"],
  ["p50", "p50 ms"],
  ["p99", "highest p99 ms"],
  ["batch", "batch"],
  ["dead", "dead letters"],
];

const LOG = "stream_log"; // what the job warns of: told here, and not in a banner
const FINE = 600; // beyond that, a point is COARSE seconds
const COARSE = 10;
const AN_HOUR_MOVES = 60_000; // what is counted of the last hour is counted anew

let seconds = 300;
let isVisible = false;
let isLoaded = false;
let askedAt = 0;
let swaps = [];
let charts = [];
const tiles = new Map();

function rounded(name, value) {
  if (value === null || value === undefined) return "–";
  if (name === "perSecond" || name === "batch") return value >= 100 ? value.toFixed(0) : value.toFixed(1);
  return String(Math.round(value));
}

function makeTiles() {
  byId("tiles").replaceChildren(
    ...TILES.map(([name, title]) => {
      const value = el("b", { "data-testid": `tile-${name}` }, "–");
      tiles.set(name, value);
      return el("div", { class: "card tile" }, value, el("span", {}, title));
    }),
  );
}

function makeChart({ title, unit, keys, lines }) {
  const empty = el("p", { class: "plot-empty" }, "nothing in this time");
  const box = el("div", { class: "plot", "aria-hidden": "true" }, empty);
  const names = keys.map(([name, kind]) => el("span", { class: kind }, name));
  byId("charts").append(
    el(
      "div",
      { class: "card chart" },
      el("div", { class: "chart-head" }, el("h2", {}, title), el("span", { class: "key" }, ...names)),
      box,
    ),
  );
  const chart = new Chart(box, { lines, unit, range: () => [end() - seconds, end()], swaps: () => swaps });
  return { chart, empty, lines };
}

function showFigures() {
  const now = { ...figuresOf(10), dead: figuresOf(3600).dead };
  for (const [name, node] of tiles) setText(node, rounded(name, now[name]));
  if (byId("figures-fold").open) showTable();
}

function showTable() {
  const header = el(
    "thead",
    {},
    el("tr", {}, el("th", { scope: "col" }, "time"), ...COLUMNS.map(([, title]) => el("th", { scope: "col" }, title))),
  );
  const rows = TABLE.map(([title, span]) => {
    const figures = figuresOf(span);
    return el(
      "tr",
      {},
      el("th", { scope: "row" }, title),
      ...COLUMNS.map(([name]) => el("td", {}, rounded(name, figures[name]))),
    );
  });
  byId("figures").replaceChildren(header, el("tbody", {}, ...rows));
}

function isSeen() {
  return isVisible && !document.hidden;
}

function draw() {
  if (!isSeen()) return;
  showFigures();
  const columns = seconds > FINE ? thinned(lastOnes(seconds), COARSE) : lastOnes(seconds);
  for (const { chart, empty, lines } of charts) {
    empty.hidden = lines.some(({ column }) => columns[column].some((value) => value));
    chart.show(columns);
  }
}

function takeSwap(event) {
  if (!event.swap) return;
  const time = moment(event.time)?.getTime() / 1000;
  if (Number.isFinite(time) && swaps.at(-1)?.model_id !== event.model_id)
    swaps = [...swaps, { time, model_id: event.model_id, name: nick(event.model_name, event.model_id) }];
}

async function load() {
  askedAt = Date.now();
  try {
    const told = await ask("GET", "/api/stream/history");
    takeHistory(told.columns ?? {});
    swaps = (told.swaps ?? []).map((swap) => ({
      ...swap,
      name: nick(swap.name, swap.model_id),
      time: typeof swap.time === "number" ? swap.time : moment(swap.time) / 1000,
    }));
    takeLetters(told);
    isLoaded = true;
    setText(byId("stream-line"), "");
    draw();
  } catch (error) {
    setText(byId("stream-line"), sentence(error.message));
  }
}

function chooseSpan(button) {
  seconds = Number(button.dataset.seconds);
  for (const each of document.querySelectorAll("[data-seconds]"))
    each.setAttribute("aria-pressed", String(each === button));
  draw();
}

export function beginStream() {
  makeTiles();
  charts = CHARTS.map(makeChart);
  for (const button of document.querySelectorAll("[data-seconds]"))
    button.addEventListener("click", () => chooseSpan(button));
  byId("figures-fold").addEventListener("toggle", draw);
  document.addEventListener("visibilitychange", draw);
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    for (const { chart } of charts) chart.recolour();
    draw();
  });
  on("state", ({ troubles }) => {
    setText(byId("stream-note"), sentence(troubles.find(({ what }) => what === LOG)?.line));
  });
  on("view", (name) => {
    isVisible = name === "stream";
    if (isVisible && !isLoaded) load();
    draw();
  });
  on("connected", load);
  on("second", (second) => {
    takeSecond(second);
    if (isSeen() && Math.abs(Date.now() - askedAt) > AN_HOUR_MOVES) load();
    draw();
  });
  on("model_event", (event) => {
    takeEvent(event);
    takeSwap(event);
  });
  on("dead_letter", takeLetter);
}
