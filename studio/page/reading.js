// Asks the stream what a drawing is. Whatever was drawn last counts: an older answer is never told.

import { ask, Refused } from "./api.js";
import { wait } from "./elements.js";

const WAIT_SECONDS = 20;
const PAUSES = [500, 1000, 2000, 4000];

export class Reading {
  // told: asked(), read(answer, milliseconds), waiting(line), failed(line); all of the latest drawing alone.
  constructor(told) {
    this.told = told;
    this.latest = null;
  }

  // The drawing that was asked for last: `id` promises the studio's name for it; null after `forget`.
  get drawing() {
    return this.latest;
  }

  // Its author is done with it: an answer that was seen and not corrected is evidence in a trial.
  leave() {
    const drawing = this.latest;
    if (!drawing?.isRead || drawing.isCorrected) return;
    const sent = drawing.id.then((id) => ask("POST", `/api/drawings/${encodeURIComponent(id)}/left`));
    sent.catch(() => {}); // evidence, and lost with it is nothing that is kept
  }

  forget() {
    this.latest?.ending.abort();
    this.latest = null;
  }

  ask(png, endedAt) {
    this.forget();
    const drawing = { png, endedAt, ending: new AbortController(), id: null };
    this.latest = drawing;
    this.post(drawing);
    this.told.asked();
    this.follow(drawing);
  }

  post(drawing) {
    drawing.id = this.keepPosting(drawing);
    drawing.id.catch(() => {}); // whoever waits for it tells of it, and nobody may
  }

  isLatest(drawing) {
    return this.latest === drawing;
  }

  // A drawing is sent until it was taken, though another came after: a correction may wait for its name.
  async keepPosting(drawing) {
    for (let failures = 0; ; failures += 1) {
      try {
        const { drawing: id } = await ask("POST", "/api/drawings", { body: drawing.png, type: "image/png" });
        drawing.trouble = "";
        return id;
      } catch (error) {
        if (!(error instanceof Refused) || !error.passes) throw error;
        const isWanted = this.isLatest(drawing) || drawing.isCorrected;
        if (!isWanted && failures > 0) throw error;
        drawing.trouble = error.message;
        if (this.isLatest(drawing)) this.told.waiting(`${error.message} (tried again by itself)`);
        await wait(PAUSES[Math.min(failures, PAUSES.length - 1)]);
      }
    }
  }

  async follow(drawing) {
    for (let failures = 0; this.isLatest(drawing); failures += 1) {
      try {
        const id = await drawing.id;
        const answer = await ask("GET", `/api/drawings/${encodeURIComponent(id)}/answer?wait=${WAIT_SECONDS}`, {
          signal: drawing.ending.signal,
        });
        if (!this.isLatest(drawing)) return;
        if (this.tellOf(drawing, answer)) return;
        failures = -1;
      } catch (error) {
        if (!this.isLatest(drawing) || drawing.ending.signal.aborted) return;
        if (!this.goesOn(drawing, error)) return;
        await wait(PAUSES[Math.min(failures, PAUSES.length - 1)]);
      }
    }
  }

  // Whether that was the end of it.
  tellOf(drawing, answer) {
    if (answer.state === "answered") {
      drawing.isRead = true;
      this.told.read(answer, drawing.endedAt);
    } else if (answer.state === "failed")
      this.told.failed(`the stream could not read it: ${answer.detail || answer.error}`);
    else this.told.waiting("");
    return answer.state !== "pending";
  }

  goesOn(drawing, error) {
    if (!(error instanceof Refused)) throw error;
    if (error.word === "not_found" && !drawing.isSentAnew) {
      drawing.isSentAnew = true; // the studio began anew, and forgot it
      this.post(drawing);
      return true;
    }
    if (error.passes) this.told.waiting(`${error.message} (tried again by itself)`);
    else this.told.failed(error.message);
    return error.passes;
  }
}
