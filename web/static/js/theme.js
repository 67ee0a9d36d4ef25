// @ts-check
// Remembers light, dark or "as the device says" in a cookie; the server prints the same choice next time.
import { all } from "./dom.js";

const root = document.documentElement;

/** @param {string} theme */
function setTheme(theme) {
  if (theme === "light" || theme === "dark") root.dataset.theme = theme;
  else delete root.dataset.theme;
  document.cookie = `theme=${theme};path=/;max-age=31536000;samesite=lax`;
  for (const item of all("[data-theme-choice]")) item.setAttribute("aria-checked", String(item.dataset.themeChoice === theme));
}

document.addEventListener("click", (event) => {
  const item = /** @type {Element} */ (event.target).closest("[data-theme-choice]");
  if (item instanceof HTMLElement) setTheme(item.dataset.themeChoice ?? "device");
});
