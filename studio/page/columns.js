// The figures of the last hour, a column a second, as the charts and the table need them.

const MOST = 3600;
const NAMES = ["time", "results", "dead_letters", "p50", "p99", "batch"];

let columns = empty();

function empty() {
  return Object.fromEntries(NAMES.map((name) => [name, []]));
}

export function takeHistory(told) {
  columns = empty();
  for (const name of NAMES) columns[name] = [...(told[name] ?? [])].slice(-MOST);
}

// A second that was told twice, by the history and by an event, counts once.
export function takeSecond(second) {
  const last = columns.time.at(-1) ?? 0;
  if (second.time <= last) return;
  for (const name of NAMES) {
    columns[name].push(second[name] ?? null);
    if (columns[name].length > MOST) columns[name].shift();
  }
}

export function end() {
  return columns.time.at(-1) ?? Math.floor(Date.now() / 1000);
}

// Each column of the last so many seconds.
export function lastOnes(seconds) {
  const from = end() - seconds;
  let first = columns.time.length;
  while (first > 0 && columns.time[first - 1] > from) first -= 1;
  return Object.fromEntries(NAMES.map((name) => [name, columns[name].slice(first)]));
}

// A point of so many seconds each: an hour of single seconds is but noise on a chart.
export function thinned(told, seconds) {
  const points = empty();
  for (let first = 0; first < told.time.length; first += seconds) {
    const part = (name) => told[name].slice(first, first + seconds).filter((value) => value !== null);
    points.time.push(told.time[first]);
    for (const name of ["results", "dead_letters", "batch", "p50"]) points[name].push(mean(part(name)));
    points.p99.push(part("p99").length ? Math.max(...part("p99")) : null);
  }
  return points;
}

function mean(values) {
  return values.length ? sum(values) / values.length : null;
}

function sum(values) {
  return values.reduce((total, value) => total + (value ?? 0), 0);
}

function median(values) {
  const ordered = values.filter((value) => value !== null).sort((a, b) => a - b);
  return ordered.length ? ordered[Math.floor((ordered.length - 1) / 2)] : null;
}

// What is told of the last so many seconds in words.
export function figuresOf(seconds) {
  const { results, dead_letters: dead, p50, p99, batch } = lastOnes(seconds);
  const batches = batch.filter((value) => value !== null && value > 0);
  const highest = p99.filter((value) => value !== null);
  return {
    results: sum(results),
    perSecond: results.length ? sum(results) / Math.min(seconds, results.length) : 0,
    p50: median(p50),
    p99: highest.length ? Math.max(...highest) : null,
    batch: batches.length ? sum(batches) / batches.length : null,
    dead: sum(dead),
  };
}
