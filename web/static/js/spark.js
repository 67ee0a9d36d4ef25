// @ts-check
// A small line of the last values, drawn into the SVG that the server left empty.
import { localTime } from "./times.js";

const POINTS_MAX = 150;
const WIDTH = 600, HEIGHT = 100;

/** @param {any} svg */
export function spark(svg) {
  /** @type {{ at: number, value: number }[]} */
  const points = [];
  const [area, line] = svg.querySelectorAll("path");
  const from = svg.parentElement.querySelector("[data-spark-from]");
  return (/** @type {number} */ value) => {
    points.push({ at: Date.now(), value });
    if (points.length > POINTS_MAX) points.shift();
    if (points.length < 2) return;
    const top = Math.max(1, ...points.map((p) => p.value)) * 1.1;
    const first = points[0].at, span = Math.max(1, points[points.length - 1].at - first);
    const path = points.map((p, i) => `${i ? "L" : "M"}${(((p.at - first) / span) * WIDTH).toFixed(1)} ${(HEIGHT - (p.value / top) * HEIGHT).toFixed(1)}`).join("");
    line.setAttribute("d", path);
    area.setAttribute("d", `${path}L${WIDTH} ${HEIGHT}L0 ${HEIGHT}Z`);
    if (from) from.textContent = localTime(new Date(first).toISOString(), "time");
  };
}
