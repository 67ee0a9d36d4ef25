// @ts-check
// Writes every moment of the page in the reader's own time; the server prints UTC for those without scripts.
import { all } from "./dom.js";

const zone = Intl.DateTimeFormat().resolvedOptions().timeZone?.split("/").pop()?.replaceAll("_", " ");
/** @param {Intl.DateTimeFormatOptions} options @param {Date} at */
const say = (options, at) => new Intl.DateTimeFormat("en-GB", options).format(at);

/** @param {string} iso @param {string} style `full`, `short`, `date` or `time` */
export function localTime(iso, style) {
  const at = new Date(iso);
  if (Number.isNaN(at.getTime())) return iso;
  const year = at.getFullYear() === new Date().getFullYear() ? {} : /** @type {const} */ ({ year: "numeric" });
  const clock = say({ hour: "2-digit", minute: "2-digit" }, at);
  if (style === "time") return clock;
  if (style === "date") return say({ day: "numeric", month: "long", ...year }, at);
  if (style === "short") return `${say({ day: "numeric", month: "short", ...year }, at)}, ${clock}`;
  return `${say({ weekday: "long", day: "numeric", month: "long", ...year }, at)}, ${clock} your time${zone ? ` (${zone})` : ""}`;
}

/** @param {ParentNode} [root] */
export function localiseTimes(root = document) {
  for (const part of all("time[data-local]", root)) part.textContent = localTime(part.dateTime, part.dataset.local);
}

localiseTimes();
