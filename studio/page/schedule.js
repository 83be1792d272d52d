// The steps of a trial as stairs: each as high as its share and as wide as its time, filled as far as it is.

import { svg } from "./elements.js";

const WIDTH = 100;
const HEIGHT = 28;
const LEAST = 4; // of a short step, or a small share, something is seen too

export function schedule({ steps, step, seconds_in_step: seconds }) {
  const all = steps.reduce((sum, { minutes }) => sum + minutes, 0);
  const widths = steps.map(({ minutes }) => Math.max(LEAST, (WIDTH * minutes) / all));
  const scale = WIDTH / widths.reduce((sum, width) => sum + width, 0);
  const stairs = [];
  let x = 0;
  steps.forEach(({ share, minutes }, index) => {
    const width = widths[index] * scale;
    const height = Math.max(LEAST, HEIGHT * share);
    const done = index + 1 < step ? 1 : index + 1 > step ? 0 : Math.min(1, seconds / 60 / minutes);
    const stair = (kind, part) =>
      svg("rect", { class: kind, x: `${x}%`, y: HEIGHT - height, width: `${Math.max(0, part * width - 0.5)}%`, height });
    stairs.push(stair("stair", 1), stair("stair done", done));
    x += width;
  });
  return svg("svg", { width: "100%", height: HEIGHT, focusable: "false" }, ...stairs);
}
