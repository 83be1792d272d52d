// One model as a card: how it stands, why, and how well it reads what was corrected.

import { el, tail } from "./elements.js";
import { bytes, clock, percent, refusal } from "./wording.js";

const PARAMETER = "parameter."; // such tags are told in the card alone
const LOOKS = { live: "good", valid: "", rejected: "bad", undecided: "warn", trial: "", rolled_back: "warn" };
const CAN_BE_LIVE = ["valid", "trial", "rolled_back"];

function bar(name, title, kind, right, of) {
  const fill = el("span", { class: "fill" });
  fill.style.transform = `scaleX(${of ? right / of : 0})`;
  return el(
    "div",
    { class: kind, title: of ? `${title}: ${right} of ${of} right (${percent(right / of, 0)})` : `${title}: none yet` },
    el("span", {}, name),
    el("span", { class: "track", "aria-hidden": "true" }, fill),
    el("span", {}, of ? `${right} / ${of}` : "–"),
  );
}

export function accuracyBars(accuracy) {
  if (!accuracy) return el("div", { class: "accuracy" }, el("span", {}, "not judged by corrections yet"));
  return el(
    "div",
    { class: "accuracy" },
    bar("unseen", "Corrections kept apart", "unseen-ones", accuracy.unseen_right, accuracy.unseen),
    bar("learnt", "Corrections to learn from", "seen", accuracy.seen_right, accuracy.seen),
  );
}

function told(value) {
  if (Array.isArray(value) && value.every((each) => typeof each !== "object")) return value.join(", ");
  return typeof value === "object" && value !== null ? JSON.stringify(value) : value;
}

function fieldsOf(model) {
  const fields = [
    ["model_id", model.model_id],
    ["file", model.file],
    ["modified", clock(model.modified)],
    ["size", bytes(model.size)],
    ["engine", model.engine],
  ];
  for (const [name, value] of Object.entries(model.card ?? {})) {
    if (!["name", "version", "tags"].includes(name)) fields.push([name, told(value)]);
  }
  for (const [key, value] of Object.entries(model.tags ?? {})) fields.push([key, value]);
  return fields.filter(([, value]) => value !== null && value !== undefined && value !== "");
}

function details(model) {
  const list = el("dl", { class: "card-fields" });
  for (const [name, value] of fieldsOf(model)) list.append(el("dt", {}, name), el("dd", {}, String(value)));
  return el("details", { class: "fold more" }, el("summary", {}, "Card"), list);
}

function tags(model) {
  const entries = Object.entries(model.tags ?? {}).filter(([key]) => !key.startsWith(PARAMETER));
  if (entries.length === 0) return null;
  return el(
    "div",
    { class: "tags" },
    ...entries.map(([key, value]) =>
      el("span", { class: "tag", title: `${key}: ${value}` }, value ? `${key}: ${value}` : key),
    ),
  );
}

export function badgeOf(standing) {
  return el("span", { class: `badge ${LOOKS[standing] ?? ""}`, "data-testid": "standing" }, standing.replace("_", " "));
}

// With a button to make it live, where one is given and the model can be: {verb, act(model, verb)}.
export function modelCard(model, button = null) {
  const canBeLive = button !== null && CAN_BE_LIVE.includes(model.standing);
  return el(
    "li",
    { class: `card model ${model.standing}`, "data-testid": "model", "data-model-id": model.model_id },
    el(
      "div",
      {},
      el(
        "div",
        { class: "model-name" },
        el("h2", {}, model.name || "without a name"),
        badgeOf(model.standing),
        model.version ? el("span", { class: "muted small" }, String(model.version)) : null,
      ),
      tail(model.model_id ?? model.file ?? ""),
      model.reason ? el("p", { class: "reason" }, refusal(model.reason)) : null,
      tags(model),
    ),
    model.standing === "rejected" ? el("div") : accuracyBars(model.accuracy),
    el(
      "div",
      { class: "act" },
      canBeLive
        ? el(
            "button",
            {
              type: "button",
              class: "button",
              "data-testid": "rollback",
              "aria-label": `${button.verb}: ${model.name}`,
              click: () => button.act(model, button.verb),
            },
            button.verb,
          )
        : null,
    ),
    details(model),
  );
}
