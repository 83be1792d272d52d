// Numbers, times and states as people read them.

const CLOCK = new Intl.DateTimeFormat(undefined, {
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  hourCycle: "h23",
});
const DAY = new Intl.DateTimeFormat(undefined, {
  day: "numeric",
  month: "short",
  hour: "2-digit",
  minute: "2-digit",
  hourCycle: "h23",
});
const A_DAY = 24 * 3600 * 1000;

export function moment(value) {
  const date = value instanceof Date ? value : new Date(typeof value === "number" ? value * 1000 : value);
  return Number.isNaN(date.getTime()) ? null : date;
}

export function clock(value) {
  const date = moment(value);
  if (date === null) return "";
  return (Math.abs(Date.now() - date) < A_DAY ? CLOCK : DAY).format(date);
}

export function percent(share, digits = 1) {
  if (!Number.isFinite(share)) return "";
  const unit = 10 ** digits;
  if (share > 0 && share * 100 * unit < 1) return `<${(1 / unit).toFixed(digits)} %`;
  return `${(Math.floor(share * 100 * unit + 1e-6) / unit).toFixed(digits)} %`; // only all is 100 %
}

export function count(number, one, many) {
  return `${number} ${number === 1 ? one : many}`;
}

export function lasting(seconds) {
  if (!Number.isFinite(seconds)) return "";
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return `${Math.round(seconds / 3600)} h`;
}

export function bytes(size) {
  if (!Number.isFinite(size)) return "";
  if (size < 1e6) return `${Math.max(1, Math.round(size / 1000))} kB`;
  return `${(size / 1e6).toFixed(size < 1e7 ? 1 : 0)} MB`;
}

export function sentence(text) {
  const line = String(text ?? "").trim();
  const isWord = /^\w*_/.test(line); // a stable word is written as it is
  return line && !isWord ? line[0].toUpperCase() + line.slice(1) : line;
}

// Why a model was refused: a stable word, and a line after it.
export function refusal(text) {
  return sentence(String(text ?? "").replace(/^\w+(?=:)/, (word) => word.replaceAll("_", " ")));
}

// What the studio says, with the page's own word for what others call otherwise.
export function onThisPage(line) {
  return sentence(String(line ?? "").replaceAll("the pipeline __default__", "“Train anew”"));
}

// A model by a name that others may have too, and the beginning of its digest.
export function nick(name, modelId) {
  const digest = String(modelId ?? "").split("@sha256:")[1];
  return digest ? `${name} ${digest.slice(0, 6)}` : name;
}

// `/a/b/digits.h5@sha256:0123` is `digits.h5@0123` to the eye.
export function shortId(modelId) {
  const [uri, digest] = String(modelId ?? "").split("@sha256:");
  const name = uri.split("/").pop();
  return digest ? `${name}@${digest}` : name;
}
