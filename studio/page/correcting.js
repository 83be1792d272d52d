// The ten buttons by which the last drawing is corrected.

import { byId, el, setText } from "./elements.js";
import { on } from "./feed.js";
import { isTwin } from "./gallery.js";
import * as unsaved from "./unsaved.js";
import { count, sentence } from "./wording.js";

const HINT = "One tap keeps the drawing with its right digit.";
const TWIN = "The very same drawing is kept already: to judge by, one that differs a little is needed.";

export class Correcting {
  constructor(reading) {
    this.reading = reading;
    this.keys = [...Array(10).keys()].map((digit) =>
      el(
        "button",
        {
          type: "button",
          class: "correct-key",
          "data-testid": `correct-${digit}`,
          "aria-label": `It is ${digit}`,
          "aria-pressed": "false",
          click: () => this.correct(digit),
        },
        String(digit),
      ),
    );
    byId("correct-keys").replaceChildren(...this.keys);
    byId("take-back").addEventListener("click", () => this.takeBack());
    on("unsaved", () => this.show());
    on("gallery", () => this.show());
    on("settled", (settled) => this.settled(settled));
    unsaved.beginUnsaved();
    this.show();
  }

  correct(digit) {
    const { drawing } = this.reading;
    if (drawing === null || (drawing.label === digit && !drawing.refusal)) return;
    this.choose(drawing, digit);
  }

  takeBack() {
    const { drawing } = this.reading;
    if (drawing === null || drawing.label === undefined) return;
    this.choose(drawing, undefined);
    byId("pad").focus({ preventScroll: true });
  }

  // The drawing may not have reached the studio yet: it is corrected once it has a name there.
  async choose(drawing, label) {
    drawing.label = label;
    drawing.isCorrected = label !== undefined;
    drawing.refusal = "";
    drawing.isKept = false;
    this.show();
    try {
      const name = await drawing.id;
      drawing.name = name;
      if (drawing.label === label) unsaved.keep(name, label ?? null);
    } catch (error) {
      drawing.refusal = error.message;
    }
    this.show();
  }

  settled({ drawing: name, label, refusal }) {
    const { drawing } = this.reading;
    if (drawing?.name === name) {
      drawing.refusal = refusal;
      drawing.isKept = !refusal;
      if (refusal || label === null) drawing.label = undefined; // taken back, perhaps in the gallery
    }
    this.show();
  }

  show() {
    const { drawing } = this.reading;
    const label = drawing?.label;
    const isChosen = label !== undefined;
    for (const [digit, key] of this.keys.entries()) {
      key.disabled = drawing === null;
      key.setAttribute("aria-pressed", String(label === digit));
      key.classList.toggle("unsaved", label === digit && unsaved.trouble !== "" && !drawing.isKept);
    }
    byId("take-back").hidden = !isChosen;
    const [text, isWarning] = this.line(drawing, isChosen);
    byId("correct-line").className = isWarning ? "unsaved" : "muted";
    setText(byId("correct-line"), text);
  }

  // What is told, and whether something is not as it should be.
  line(drawing, isChosen) {
    if (drawing?.refusal) return [`Not kept: ${drawing.refusal}`, true];
    if (isChosen && drawing.isKept) return [`Kept as ${drawing.label}.${isTwin(drawing.name) ? ` ${TWIN}` : ""}`, false];
    if (isChosen && drawing.trouble) {
      return [`Not kept as ${drawing.label} yet, for the drawing is not sent. ${sentence(drawing.trouble)}`, true];
    }
    if (unsaved.trouble && unsaved.size() > 0) {
      return [
        `${count(unsaved.size(), "correction is", "corrections are")} not kept yet (tried again by itself). ${sentence(unsaved.trouble)}`,
        true,
      ];
    }
    if (isChosen) return [`Keeping it as ${drawing.label} …`, false];
    return [HINT, false];
  }
}
