// The drawing area: mouse, finger, pen and keyboard make strokes on it.

import { byId } from "./elements.js";
import { paint } from "./ink.js";

const STEP = 1 / 56;
const STRIDE = 1 / 14;
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export class Pad {
  // began: a stroke begins. ended(strokes, time): it ended, at a time of `performance.now()`. cleared: all is gone.
  constructor({ began, ended, cleared }) {
    this.canvas = byId("pad");
    this.context = this.canvas.getContext("2d", { alpha: false });
    this.told = { began, ended, cleared };
    this.strokes = [];
    this.pointer = null; // whose stroke it is
    this.pen = { x: 0.5, y: 0.3, shown: false, down: false };
    this.painting = 0;
    new ResizeObserver(() => this.fit()).observe(this.canvas);
    this.listen();
    this.fit();
  }

  clear() {
    this.pointer = null;
    this.pen.down = false;
    this.strokes = [];
    this.repaint();
    this.told.cleared();
  }

  listen() {
    const { canvas } = this;
    canvas.addEventListener("pointerdown", (event) => this.down(event));
    canvas.addEventListener("pointermove", (event) => this.move(event));
    for (const end of ["pointerup", "pointercancel", "lostpointercapture"])
      canvas.addEventListener(end, (event) => this.up(event));
    canvas.addEventListener("keydown", (event) => this.key(event));
    canvas.addEventListener("blur", () => {
      this.liftPen();
      this.pen.shown = false;
      this.repaint();
    });
    canvas.addEventListener("contextmenu", (event) => event.preventDefault());
  }

  fit() {
    const side = Math.max(1, Math.round(this.canvas.clientWidth * (window.devicePixelRatio || 1)));
    if (this.canvas.width !== side || this.canvas.height !== side) {
      this.canvas.width = side;
      this.canvas.height = side;
    }
    this.paintNow();
  }

  repaint() {
    if (this.painting === 0) this.painting = requestAnimationFrame(() => this.paintNow());
  }

  paintNow() {
    cancelAnimationFrame(this.painting);
    this.painting = 0;
    const side = this.canvas.width;
    paint(this.context, this.strokes, side);
    byId("pad-frame").classList.toggle("inked", this.strokes.length > 0 || this.pen.shown);
    if (this.pen.shown) this.paintPen(side);
  }

  paintPen(side) {
    const { context, pen } = this;
    context.beginPath();
    context.arc(pen.x * side, pen.y * side, side / 24, 0, 2 * Math.PI);
    context.lineWidth = side / 130;
    context.strokeStyle = "#3ecfbd";
    context.fillStyle = pen.down ? "#3ecfbd" : "transparent";
    context.fill();
    context.stroke();
  }

  pointsOf(event) {
    const frame = this.canvas.getBoundingClientRect();
    const events = event.getCoalescedEvents?.() ?? [];
    return (events.length ? events : [event]).map((each) => ({
      x: (each.clientX - frame.left) / frame.width,
      y: (each.clientY - frame.top) / frame.height,
    }));
  }

  down(event) {
    if (this.pointer !== null || event.button !== 0) return;
    this.liftPen();
    this.pen.shown = false;
    this.pointer = event.pointerId;
    this.canvas.setPointerCapture(event.pointerId);
    this.begin(this.pointsOf(event).at(-1));
  }

  move(event) {
    if (event.pointerId !== this.pointer) return;
    this.strokes.at(-1).push(...this.pointsOf(event));
    this.repaint();
  }

  up(event) {
    if (event.pointerId !== this.pointer) return;
    this.pointer = null;
    this.end(event.timeStamp);
  }

  begin(point) {
    this.strokes.push([point, point]);
    this.told.began();
    this.repaint();
  }

  end(time) {
    this.told.ended(this.strokes, time);
    this.repaint();
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const arrow = ARROWS[event.key];
    if (arrow) this.movePen(arrow, event.shiftKey ? STRIDE : STEP);
    else if (event.key === " " || event.key === "Enter") this.togglePen();
    else return;
    event.preventDefault();
  }

  movePen([right, down], step) {
    const { pen } = this;
    pen.shown = true;
    pen.x = Math.min(0.96, Math.max(0.04, pen.x + right * step));
    pen.y = Math.min(0.96, Math.max(0.04, pen.y + down * step));
    if (pen.down) this.strokes.at(-1).push({ x: pen.x, y: pen.y });
    this.repaint();
  }

  togglePen() {
    const { pen } = this;
    pen.shown = true;
    if (pen.down) {
      this.liftPen();
      return;
    }
    pen.down = true;
    this.begin({ x: pen.x, y: pen.y });
  }

  liftPen() {
    if (!this.pen.down) return;
    this.pen.down = false;
    this.end(performance.now());
  }
}
