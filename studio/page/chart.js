// One chart of a few lines over time, by uPlot, with a dashed line wherever a model took over.

import { clock } from "./wording.js";

const HEIGHT = 210;
const LABEL_GAP = 8; // pixels
const FAINT = "26"; // of 255, in hexadecimal digits, as colours are written
const STRONG = "a6";

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function pathsOf(isStep, isBar) {
  if (isBar) return window.uPlot.paths.bars({ size: [1, 6, 2] });
  return isStep ? window.uPlot.paths.stepped({ align: 1 }) : undefined;
}

export class Chart {
  // lines: [{column, colour: a name of base.css, isStep, isFilled, isBar}]; range: () => [from, to]; swaps: () => [{time, name}].
  constructor(box, { lines, range, swaps, unit }) {
    this.box = box;
    this.lines = lines;
    this.range = range;
    this.swaps = swaps;
    this.unit = unit;
    this.data = [[], ...lines.map(() => [])];
    this.plot = null;
    new ResizeObserver(() => this.fit()).observe(box);
  }

  show(columns) {
    this.data = [columns.time, ...this.lines.map(({ column }) => columns[column])];
    if (this.plot === null) this.make();
    else this.plot.setData(this.data);
  }

  // Colours are read anew, where the system went from light to dark.
  recolour() {
    this.plot?.destroy();
    this.plot = null;
  }

  fit() {
    if (this.plot !== null && this.box.clientWidth > 0)
      this.plot.setSize({ width: this.box.clientWidth, height: HEIGHT });
  }

  make() {
    if (this.box.clientWidth === 0) return;
    const font = `11px ${getComputedStyle(document.body).fontFamily}`;
    const axis = {
      stroke: colour("--soft"),
      font,
      grid: { stroke: colour("--line-grid"), width: 1 },
      ticks: { show: false },
    };
    this.plot = new window.uPlot(
      {
        width: this.box.clientWidth,
        height: HEIGHT,
        padding: [18, 8, 0, 0],
        cursor: { sync: { key: "stream" }, drag: { x: false, y: false }, points: { size: 6 } },
        legend: { show: false },
        scales: {
          x: { time: true, range: () => this.range() },
          y: { range: (_, low, high) => [0, Math.max(1, (high ?? 0) * 1.15)] },
        },
        axes: [
          {
            ...axis,
            grid: { show: false },
            size: 28,
            space: 62,
            incrs: [60, 120, 300, 600, 900, 1200],
            values: (_, moments) => moments.map((each) => clock(each).slice(0, 5)),
          },
          { ...axis, size: 46, space: 36, values: (_, values) => values.map((value) => `${value}${this.unit}`) },
        ],
        series: [{}, ...this.lines.map((line) => this.series(line))],
        hooks: { draw: [(plot) => this.drawSwaps(plot, font)] },
      },
      this.data,
      this.box,
    );
  }

  series({ colour: name, isStep, isFilled, isBar }) {
    const stroke = colour(name);
    return {
      stroke,
      width: isBar ? 0 : 1.75,
      fill: isBar ? `${stroke}${STRONG}` : isFilled ? `${stroke}${FAINT}` : undefined,
      paths: pathsOf(isStep, isBar),
      points: { show: false },
    };
  }

  drawSwaps(plot, font) {
    const { ctx, bbox } = plot;
    const scale = window.devicePixelRatio || 1;
    const [from, to] = this.range();
    let free = Infinity;
    ctx.save();
    ctx.strokeStyle = colour("--accent");
    ctx.fillStyle = colour("--soft");
    ctx.lineWidth = scale;
    ctx.font = font.replace("11px", `${Math.round(10.5 * scale)}px`);
    ctx.setLineDash([4 * scale, 3 * scale]);
    ctx.textAlign = "left";
    // The newest first: where two names have no room, it is the older one that is left out.
    for (const { time, name } of this.swaps().toReversed()) {
      if (time < from || time > to) continue;
      const x = Math.round(plot.valToPos(time, "x", true));
      ctx.beginPath();
      ctx.moveTo(x, bbox.top - 4 * scale);
      ctx.lineTo(x, bbox.top + bbox.height);
      ctx.stroke();
      const text = name.length > 14 ? `${name.slice(0, 13)}…` : name;
      const { width } = ctx.measureText(text);
      const left = x + width > bbox.left + bbox.width ? x - width - 4 * scale : x;
      if (left + width > free) continue;
      free = left - LABEL_GAP * scale;
      ctx.fillText(text, left, bbox.top - 7 * scale);
    }
    ctx.restore();
  }
}
