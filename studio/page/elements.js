// Elements made by calls alone: whatever a text says, it stays text.

const SVG = "http://www.w3.org/2000/svg";

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") node.addEventListener(name, value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) node.setAttribute(name, String(value));
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

export function el(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

export function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

export function byId(id) {
  return document.getElementById(id);
}

// Touches the page only where something is otherwise, so that nothing is laid out or spoken twice.
export function setText(node, text) {
  const wanted = String(text ?? "");
  if (node.textContent !== wanted) node.textContent = wanted;
}

// A model's id, whole, of which the eye sees the file and the digest alone.
export function setId(node, id) {
  if (node.textContent === id) return;
  const cut = id.split("@")[0].lastIndexOf("/") + 1;
  node.replaceChildren(...(cut ? [el("span", { class: "folder" }, id.slice(0, cut))] : []), id.slice(cut));
}

// A name that is shortened at its beginning where it is too long; its text is whole.
export function tail(text) {
  const name = el("bdi", { dir: "ltr" });
  setId(name, text);
  return el("span", { class: "tail", title: text }, name);
}

export function wait(milliseconds) {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
