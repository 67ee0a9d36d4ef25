// @ts-check
// Counts down to a <time datetime>. Seen every second; spoken only at round moments, through one polite live region.
import { all, one } from "./dom.js";

const SPOKEN_AT_SECS = [3600, 900, 300, 60, 10];
/** @type {[string, number][]} */
const UNITS = [["d", 86400], ["h", 3600], ["m", 60], ["s", 1]];

/** @param {any} clock */
function tick(clock) {
  const until = Date.parse(clock.getAttribute("datetime") ?? "");
  if (Number.isNaN(until)) return;
  let left = Math.max(0, Math.round((until - Date.now()) / 1000));
  const speaker = document.getElementById(clock.dataset.says ?? "");
  if (speaker && SPOKEN_AT_SECS.includes(left)) speaker.textContent = left > 60 ? `Starts in ${left / 60} minutes.` : left === 60 ? "Starts in 1 minute." : `Starts in ${left} seconds.`;
  const whole = left;
  for (const [unit, secs] of UNITS) {
    const cell = one(`[data-u=${unit}]`, clock);
    if (!cell) continue;
    const n = Math.floor(left / secs);
    left -= n * secs;
    cell.textContent = unit === "d" ? String(n) : String(n).padStart(2, "0");
    const box = cell.closest("[data-cell]");
    if (box && (unit === "d" || unit === "h")) box.hidden = whole < secs;
  }
}

/** Aims every countdown inside `root` at a moment. @param {ParentNode} root @param {string} iso */
export function aim(root, iso) {
  for (const clock of all("[data-countdown]", root)) { clock.setAttribute("datetime", iso); tick(clock); }
}

const tickAll = () => all("[data-countdown]").forEach(tick);
tickAll();
setInterval(tickAll, 1000);
