// Dead letters by word, each with its picture where there is one; and what happened to models.

import { byId, el, setText, tail } from "./elements.js";
import { clock, lasting } from "./wording.js";

const MOST = 200;
const GENTLY = 250;
const PICTURE = /^\/api\/dead-letters\/[\w-]+\.png$/;
const LOOKS = {
  live: "good",
  accepted: "",
  rejected: "bad",
  failed: "bad",
  quarantined: "bad",
  loading: "",
  retired: "",
  trial_began: "",
  trial_share: "",
  trial_promoted: "good",
  trial_rolled_back: "warn",
};

let letters = [];
let words = {};
let events = [];
let chosen = null;
let nodes = new Map(); // by the letters' ids: a picture is fetched once
let timer = 0;

function thumb(letter) {
  if (PICTURE.test(letter.picture ?? ""))
    return el("img", { class: "thumb", src: letter.picture, width: 44, height: 44, alt: "The image", loading: "lazy" });
  return el("span", { class: "thumb none", "aria-hidden": "true" }, "?");
}

function fileName(image) {
  return String(image ?? "without a path")
    .split("/")
    .pop();
}

function letterItem(letter) {
  return el(
    "li",
    { title: letter.image },
    thumb(letter),
    el(
      "span",
      { class: "what" },
      el("b", {}, letter.error),
      ` ${fileName(letter.image)}`,
      el("span", { class: "muted" }, `${letter.stage}: ${letter.detail ?? ""}`),
    ),
    el("time", { class: "when" }, clock(letter.time)),
  );
}

function wordButton(word, number) {
  return el(
    "button",
    {
      type: "button",
      "aria-pressed": String(chosen === word),
      click: () => {
        chosen = chosen === word ? null : word;
        showLetters();
      },
    },
    `${word} ${number}`,
  );
}

function showLetters() {
  const total = Object.values(words).reduce((sum, number) => sum + number, 0);
  setText(byId("dead-count"), total ? String(total) : "");
  const focused = [...byId("words").children].indexOf(document.activeElement);
  byId("words").replaceChildren(
    ...Object.entries(words)
      .sort((a, b) => b[1] - a[1])
      .map(([word, number]) => wordButton(word, number)),
  );
  byId("words").children[focused]?.focus();
  const shown = chosen === null ? letters : letters.filter((letter) => letter.error === chosen);
  nodes = new Map(letters.map((letter) => [letter.id, nodes.get(letter.id) ?? letterItem(letter)]));
  byId("letters").replaceChildren(...shown.map(({ id }) => nodes.get(id)));
  byId("letters-empty").hidden = letters.length > 0;
}

function eventItem(event) {
  const took = event.seconds >= 0.1 ? lasting(event.seconds) : "";
  return el(
    "li",
    { title: event.model_id },
    el("span", { class: `badge ${LOOKS[event.event] ?? ""}` }, event.event),
    el(
      "span",
      { class: "what" },
      el("b", {}, event.model_name || fileName(event.model_id)),
      event.model_id ? tail(event.model_id) : null,
      event.reason || took ? el("span", { class: "muted" }, [event.reason, took].filter(Boolean).join(", ")) : null,
    ),
    el("time", { class: "when" }, clock(event.time)),
  );
}

function showEvents() {
  byId("happenings").replaceChildren(...events.map(eventItem));
  byId("happenings-empty").hidden = events.length > 0;
}

// Many may come at once.
function showSoon() {
  if (timer) return;
  timer = setTimeout(() => {
    timer = 0;
    showLetters();
    showEvents();
  }, GENTLY);
}

export function takeLetters(told) {
  letters = (told.dead_letters ?? []).slice(0, MOST);
  words = { ...told.words };
  events = (told.events ?? []).slice(0, MOST);
  showLetters();
  showEvents();
}

export function takeLetter(letter) {
  letters = [letter, ...letters.filter(({ id }) => id !== letter.id)].slice(0, MOST);
  words[letter.error] = (words[letter.error] ?? 0) + 1;
  showSoon();
}

export function takeEvent(event) {
  events = [event, ...events].slice(0, MOST);
  showSoon();
}
