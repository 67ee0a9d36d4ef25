// @ts-check
// Finding and switching the parts of a page that the server printed.

/** @param {string} selector @param {ParentNode} [root] @returns {any} */
export const one = (selector, root = document) => root.querySelector(selector);
/** @param {string} selector @param {ParentNode} [root] @returns {any[]} */
export const all = (selector, root = document) => [...root.querySelectorAll(selector)];

/** Writes the same words into every part that asks for them. @param {string} selector @param {string | number} words */
export function write(selector, words) {
  for (const part of all(selector)) if (part.textContent !== String(words)) part.textContent = String(words);
}

/** Shows the parts made for this state (`data-when="lobby live"`) and hides the others. @param {string} state */
export function showState(state) {
  for (const part of all("[data-when]")) part.hidden = !part.dataset.when.split(" ").includes(state);
}

/** What the server left for the page's script. @returns {any} */
export const pageState = () => JSON.parse(one("#page-state").textContent);

/** Swaps the icon inside an element. @param {Element} holder @param {string} name */
export const setIcon = (holder, name) => one("use", holder)?.setAttribute("href", `/assets/icons.svg#${name}`);

/** Makes an element with words in it. @param {string} tag @param {string} [className] @param {string} [words] */
export function make(tag, className = "", words = "") {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (words) made.textContent = words;
  return made;
}

/** A number as people read it. @param {number} n */
export const count = (n) => Math.round(n).toLocaleString("en");
