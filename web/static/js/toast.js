// @ts-check
// A toast confirms what was just done. It is never the only place where a failure is told.
import { make } from "./dom.js";

const STAY_MS = 8000;
const KEPT = "backstage.toast";
const region = make("div", "toasts");
region.setAttribute("role", "status");
document.body.append(region);

/** @param {string} words */
export function toast(words) {
  const box = make("div", "toast");
  box.append(make("span", "", words));
  let timer = setTimeout(() => box.remove(), STAY_MS);
  // Time stands still while somebody is reading.
  for (const on of ["pointerenter", "focusin"]) box.addEventListener(on, () => clearTimeout(timer));
  for (const off of ["pointerleave", "focusout"]) box.addEventListener(off, () => { timer = setTimeout(() => box.remove(), STAY_MS / 2); });
  region.replaceChildren(box);
}

/** Keeps the words over the reload that shows what was done. @param {string} words */
export const toastAfterReload = (words) => sessionStorage.setItem(KEPT, words);

const kept = sessionStorage.getItem(KEPT);
if (kept) { sessionStorage.removeItem(KEPT); toast(kept); }
