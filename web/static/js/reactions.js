// @ts-check
// Hearts: own presses show at once, the room's come as counts per tick. Motion only for those who want motion.
import { all, count, one } from "./dom.js";

const MAX_IN_FLIGHT = 24;
/** Presses closer together than this are shown but not sent: the engine counts at most some a second from one person. */
const SEND_EVERY_MS = 250;
/** How many of one tick float up; the count carries the rest. */
const FLOAT_PER_TICK = 4;
const still = matchMedia("(prefers-reduced-motion: reduce)");

/** @type {Map<string, number>} */
const totals = new Map();
/** Own presses that the room's counts have not told yet. @type {Map<string, number>} */
const own = new Map();

/** @param {string} glyph */
function floatUp(glyph) {
  const layer = one(".floaters");
  if (still.matches || !layer || layer.childElementCount >= MAX_IN_FLIGHT) return;
  const flying = document.createElement("span");
  const drawn = all("[data-react]").find((button) => button.dataset.react === glyph);
  flying.append(one(".glyph", drawn ?? document)?.cloneNode(true) ?? glyph);
  flying.style.left = `${70 + Math.random() * 24}%`;
  flying.style.setProperty("--dx", `${Math.round(Math.random() * 60 - 30)}px`);
  flying.addEventListener("animationend", () => flying.remove());
  layer.append(flying);
}

function show() {
  for (const button of all("[data-react]")) {
    const glyph = button.dataset.react;
    one("[data-total]", button).textContent = count((totals.get(glyph) ?? 0) + (own.get(glyph) ?? 0));
  }
}

/** Counts that the snapshot brought; without any, what was counted here goes on. @param {Record<string, number> | null | undefined} given */
export function startFrom(given) {
  if (!given || Object.keys(given).length === 0) return;
  totals.clear();
  own.clear();
  for (const [glyph, n] of Object.entries(given ?? {})) totals.set(glyph, n);
  show();
}

/** Counts of one tick. @param {Record<string, number>} given */
export function addTick(given) {
  for (const [glyph, n] of Object.entries(given)) {
    const mine = Math.min(own.get(glyph) ?? 0, n);
    own.set(glyph, (own.get(glyph) ?? 0) - mine);
    totals.set(glyph, (totals.get(glyph) ?? 0) + n);
    for (let i = 0; i < Math.min(n - mine, FLOAT_PER_TICK); i += 1) setTimeout(() => floatUp(glyph), i * 120);
  }
  show();
}

/** All hearts and the like so far. */
export const sum = () => [...totals.values()].reduce((a, b) => a + b, 0);

/** @param {(glyph: string) => boolean} send */
export function wireReactions(send) {
  let sent = -SEND_EVERY_MS;
  document.addEventListener("click", (event) => {
    const button = /** @type {Element} */ (event.target).closest("[data-react]");
    if (!(button instanceof HTMLElement)) return;
    const glyph = button.dataset.react ?? "", now = performance.now();
    floatUp(glyph);
    if (now - sent < SEND_EVERY_MS || !send(glyph)) return;
    sent = now;
    own.set(glyph, (own.get(glyph) ?? 0) + 1);
    show();
  });
}
