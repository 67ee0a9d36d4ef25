// @ts-check
// The choice of a pass itself is radio buttons; this keeps the details, the address and the bar on phones in step.
import { all, one } from "./dom.js";

const form = one("[data-passes]");
const bar = one("[data-pass-bar]");

/** @param {HTMLInputElement} input */
function show(input) {
  for (const panel of all("[data-pass]")) panel.hidden = panel.dataset.pass !== input.value;
  if (!bar) return;
  bar.hidden = false;
  one("[data-name]", bar).textContent = input.dataset.name;
  one("[data-price]", bar).textContent = input.dataset.price;
  const act = one("[data-act]", bar), target = one(`[data-pass="${CSS.escape(input.value)}"] a.btn`);
  act.textContent = input.dataset.act;
  act.setAttribute("href", target?.getAttribute("href") ?? "#passes");
}

if (form) {
  show(one("input:checked", form) ?? one("input", form));
  form.addEventListener("change", (/** @type {any} */ event) => {
    if (event.target.name !== "pass") return;
    const url = new URL(location.href);
    url.searchParams.set("pass", event.target.value);
    history.replaceState(null, "", url);
    show(event.target);
  });
}
