// @ts-check
// Dialogs and menus on the platform's own <dialog> and popover: focus, Escape and the top layer are the browser's.
// Adds openers by data-opens, words handed to a shared dialog by data-fill-*, arrow keys and a place for menus.
import { all, one } from "./dom.js";

/** @param {string} id @param {DOMStringMap} [given] */
function openDialog(id, given = {}) {
  const dialog = document.getElementById(id);
  if (!(dialog instanceof HTMLDialogElement) || dialog.open) return;
  for (const part of all("[data-fill]", dialog)) part.textContent = given[`fill${part.dataset.fill[0].toUpperCase()}${part.dataset.fill.slice(1)}`] ?? "";
  const form = one("form[data-api]", dialog);
  if (form && given.fillAction) form.dataset.api = given.fillAction;
  for (const problem of all("[data-problem]", dialog)) problem.textContent = "";
  dialog.showModal();
  all("[autofocus]", dialog).find((part) => part.checkVisibility())?.focus();
}

/** @param {HTMLElement} menu @param {Element} button */
function place(menu, button) {
  const b = button.getBoundingClientRect(), m = menu.getBoundingClientRect();
  const over = b.bottom + m.height > innerHeight && b.top > m.height;
  menu.style.top = `${scrollY + (over ? b.top - m.height - 10 : b.bottom)}px`;
  menu.style.left = `${Math.max(8, Math.min(b.right - m.width, innerWidth - m.width - 8))}px`;
}

document.addEventListener("click", (event) => {
  const target = /** @type {Element} */ (event.target);
  const opener = target.closest("[data-opens]");
  if (opener instanceof HTMLElement) { event.preventDefault(); openDialog(opener.dataset.opens ?? "", opener.dataset); }
  if (target.closest("[data-closes]")) target.closest("dialog")?.close();
  const item = target.closest(".menu[popover] > :is(a, button)");
  if (item) /** @type {HTMLElement} */ (item.parentElement).hidePopover();
});

for (const menu of all(".menu[popover]")) {
  const button = one(`[popovertarget="${menu.id}"]`);
  menu.addEventListener("toggle", (/** @type {ToggleEvent} */ event) => {
    const open = event.newState === "open";
    button?.setAttribute("aria-expanded", String(open));
    if (open && button) { place(menu, button); one("a, button", menu)?.focus(); }
  });
  menu.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
    const items = all("a, button", menu), at = items.indexOf(document.activeElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: items.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    items[(to + items.length) % items.length].focus();
  });
}
