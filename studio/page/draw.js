// The view Draw: its parts put together, and its keys.

import * as answer from "./answer.js";
import { Correcting } from "./correcting.js";
import { byId } from "./elements.js";
import { beginGallery } from "./gallery.js";
import { openHelp } from "./dialogs.js";
import { toPng } from "./ink.js";
import { Pad } from "./pad.js";
import { Reading } from "./reading.js";
import { isUnderWay } from "./trial.js";

const PLACES = ".pad-card, .answer-card, .retrain-card";

function keysMeant(event) {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return false;
  if (byId("view-draw").hidden || document.querySelector("dialog[open]")) return false;
  return event.target.closest(PLACES) !== null;
}

export function beginDraw() {
  const reading = new Reading({
    asked: () => answer.asked(),
    read: (told, endedAt) => answer.read(told, endedAt),
    waiting: (line) => {
      answer.waiting(line);
      correcting.show();
    },
    failed: (line) => answer.failed(line),
  });
  const correcting = new Correcting(reading);
  const pad = new Pad({
    began: () => {
      reading.forget();
      answer.strokeBegan();
    },
    ended: (strokes, time) => {
      reading.ask(toPng(strokes), time);
      correcting.show();
    },
    cleared: () => {
      if (isUnderWay()) reading.leave();
      reading.forget();
      answer.cleared();
      correcting.show();
    },
  });
  answer.beginAnswer();
  beginGallery();
  byId("clear").addEventListener("click", () => pad.clear());
  byId("help-open").addEventListener("click", openHelp);
  document.addEventListener("keydown", (event) => {
    if (!keysMeant(event)) return;
    if (/^[0-9]$/.test(event.key)) correcting.correct(Number(event.key));
    else if (event.key === "c" || event.key === "C" || event.key === "Escape") pad.clear();
    else if (event.key === "u" || event.key === "U") correcting.takeBack();
    else if (event.key === "r" || event.key === "R") byId("retrain").click();
    else if (event.key === "?") openHelp();
    else return;
    event.preventDefault();
  });
}
