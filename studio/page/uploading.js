// A model file is uploaded, vetted, and then published or dropped.

import { ask, upload } from "./api.js";
import { byId, el, wait } from "./elements.js";
import { accuracyBars, badgeOf } from "./modelcard.js";
import { bytes, lasting, percent, sentence } from "./wording.js";

const LOOK_AGAIN = 500;

let tellChanged = () => {};
let turn = 0; // a file chosen later takes the place of an earlier one

function show(...children) {
  byId("upload").hidden = children.length === 0;
  byId("upload").replaceChildren(...children.filter((child) => child !== null));
}

function head(name, badge) {
  return el("div", { class: "upload-head" }, el("b", {}, name), badge);
}

function trouble(name, line) {
  show(head(name, badgeOf("rejected")), el("p", { class: "trouble-line small", role: "alert" }, sentence(line)));
}

async function vet(file) {
  turn += 1;
  const mine = turn;
  const progress = el("progress", { class: "progress", max: 1, value: 0, "aria-label": `Uploading ${file.name}` });
  const line = el("p", { class: "muted small", role: "status" }, `Uploading ${bytes(file.size)} …`);
  show(head(file.name, el("span", { class: "badge" }, "uploading")), progress, line);
  try {
    const { upload: id } = await upload(file, (share) => {
      progress.value = share;
      line.textContent = share < 1 ? `Uploading: ${percent(share, 0)} of ${bytes(file.size)}` : "Uploaded.";
    });
    await follow(id, file.name, mine);
  } catch (error) {
    if (mine === turn) trouble(file.name, error.message);
  }
}

async function follow(id, name, mine) {
  for (let failures = 0; mine === turn;) {
    try {
      const told = await ask("GET", `/api/uploads/${encodeURIComponent(id)}`);
      if (mine !== turn) return;
      failures = 0;
      if (told.state !== "vetting") {
        verdict(id, told);
        return;
      }
      vetting(name, told.seconds);
    } catch (error) {
      failures += 1;
      if (!error.passes || failures > 20) throw error;
    }
    await wait(LOOK_AGAIN);
  }
}

function vetting(name, seconds) {
  show(
    head(name, el("span", { class: "badge" }, "vetting")),
    el("progress", { class: "progress", "aria-label": `Vetting ${name}` }),
    el(
      "p",
      { class: "muted small", role: "status" },
      `Loaded and tried in a process of its own, ${lasting(seconds)} so far.`,
    ),
  );
}

function verdict(id, told) {
  const isAccepted = told.state === "accepted";
  const line = el("p", { class: "trouble-line small", role: "alert" });
  const act = (what, done) => async (event) => {
    const button = event.currentTarget;
    button.disabled = true;
    try {
      await what();
      done();
      tellChanged();
    } catch (error) {
      line.textContent = sentence(error.message);
      button.disabled = false;
    }
  };
  const path = `/api/uploads/${encodeURIComponent(id)}`;
  const publish = act(
    () => ask("POST", `${path}/publish`),
    () =>
      show(
        head(told.name, el("span", { class: "badge good" }, "published")),
        el("p", { class: "muted small", role: "status" }, "It takes over as soon as the stream has seen it."),
      ),
  );
  const drop = act(
    () => ask("DELETE", path),
    () => show(),
  );
  show(
    head(
      told.name,
      el("span", { class: `badge ${isAccepted ? "good" : "bad"}`, "data-testid": "verdict" }, told.state),
    ),
    el(
      "p",
      { class: isAccepted ? "small" : "small trouble-line", role: "status" },
      sentence([told.reason?.replaceAll("_", " "), told.detail].filter(Boolean).join(": ") || "It can be published."),
    ),
    isAccepted && told.model?.accuracy ? accuracyBars(told.model.accuracy) : null,
    el(
      "div",
      { class: "upload-actions" },
      isAccepted
        ? el(
            "button",
            { type: "button", class: "button primary", "data-testid": "publish-upload", click: publish },
            "Publish",
          )
        : null,
      el(
        "button",
        { type: "button", class: "button", "data-testid": "drop-upload", click: drop },
        isAccepted ? "Drop it" : "Dismiss",
      ),
    ),
    line,
  );
}

export function beginUpload(changed) {
  tellChanged = changed;
  const drop = byId("drop");
  const input = byId("upload-file");
  input.addEventListener("change", () => {
    if (input.files.length) vet(input.files[0]);
    input.value = "";
  });
  for (const kind of ["dragenter", "dragover"]) {
    drop.addEventListener(kind, (event) => {
      event.preventDefault();
      drop.classList.add("over");
    });
  }
  for (const kind of ["dragleave", "drop"]) drop.addEventListener(kind, () => drop.classList.remove("over"));
  drop.addEventListener("drop", (event) => {
    event.preventDefault();
    if (event.dataTransfer.files.length) vet(event.dataTransfer.files[0]);
  });
}
