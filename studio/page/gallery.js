// The corrections of all, newest first, as small pictures.

import { ask } from "./api.js";
import { byId, el, setText } from "./elements.js";
import { on, tell } from "./feed.js";
import { keep } from "./unsaved.js";
import { clock, sentence } from "./wording.js";

const PAGE = 16;
const KNOWN = 50; // the least that is looked at for drawings that are there twice
const BASE64 = /^[A-Za-z0-9+/=]*$/;

let shown = PAGE;
let isBusy = false;
let isStale = false;
let known = "";
let newest = [];

function picture(correction) {
  const png = BASE64.test(correction.png) ? correction.png : "";
  return el("img", {
    src: `data:image/png;base64,${png}`,
    width: 56,
    height: 56,
    loading: "lazy",
    alt: `A drawing of ${correction.label}`,
  });
}

function takeBack(correction) {
  return el(
    "button",
    {
      type: "button",
      class: "undo",
      title: "Take back",
      "aria-label": `Take back the correction to ${correction.label}`,
      "data-testid": "gallery-take-back",
      click: (event) => {
        event.currentTarget.disabled = true;
        keep(correction.drawing, null);
      },
    },
    "×",
  );
}

function tile(correction) {
  const side = correction.unseen ? "kept to judge by" : "learnt from";
  const read = correction.answer === null ? "not read" : `read as ${correction.answer}`;
  return el(
    "li",
    {
      title: `${read}, corrected to ${correction.label} at ${clock(correction.time)}; ${side}`,
      "data-drawing": correction.drawing,
    },
    picture(correction),
    el("span", {}, correction.answer === null ? "" : `${correction.answer} → `, el("b", {}, String(correction.label))),
    correction.mine ? takeBack(correction) : null,
  );
}

async function fetchShown() {
  let found = [];
  const wanted = Math.max(KNOWN, shown + 1);
  while (found.length < wanted) {
    const before = found.length ? `&before=${found.at(-1).number}` : "";
    const { corrections } = await ask("GET", `/api/corrections?most=${Math.min(50, wanted - found.length)}${before}`);
    found = found.concat(corrections);
    if (corrections.length === 0) break;
  }
  return found;
}

// Whether another of the newest corrections has the same pixels.
export function isTwin(drawing) {
  const own = newest.find((each) => each.drawing === drawing);
  return own !== undefined && newest.some((each) => each.drawing !== drawing && each.png === own.png);
}

async function refresh() {
  if (isBusy) {
    isStale = true;
    return;
  }
  isBusy = true;
  try {
    newest = await fetchShown();
    byId("gallery").replaceChildren(...newest.slice(0, shown).map(tile));
    byId("gallery-empty").hidden = newest.length > 0;
    byId("gallery-more").hidden = newest.length <= shown;
    setText(byId("gallery-line"), "");
    tell("gallery");
  } catch (error) {
    setText(byId("gallery-line"), sentence(error.message));
    byId("gallery-empty").hidden = true;
    known = "";
  }
  isBusy = false;
  if (isStale) {
    isStale = false;
    refresh();
  }
}

export function beginGallery() {
  on("state", ({ corrections }) => {
    const now = JSON.stringify(corrections);
    if (now === known) return;
    known = now;
    refresh();
  });
  on("settled", refresh);
  byId("gallery-more").addEventListener("click", () => {
    shown += PAGE;
    refresh();
  });
}
