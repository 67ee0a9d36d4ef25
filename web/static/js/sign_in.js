// @ts-check
// One input for the code's digits: paste of "Your code is 123 456", autofill and typing all end as digits, sent once.
import { one } from "./dom.js";

const input = one("[data-code]");
// Codes are longer while somebody guesses at large.
const most = Number(input?.dataset.code) || 6;
const whole = new RegExp(`(?:\\d[\\s\\u00a0-]?){${most}}`);
/** @param {string} text */
const tidy = (text) => text.normalize("NFKC").replace(/\D/g, "").slice(0, most);

if (input) {
  const form = input.form;
  let sent = "";
  input.addEventListener("paste", (/** @type {ClipboardEvent} */ event) => {
    const digits = tidy((event.clipboardData?.getData("text").match(whole) ?? [""])[0]);
    if (digits.length < most) return;
    event.preventDefault();
    input.value = digits;
    input.dispatchEvent(new Event("input", { bubbles: true }));
  });
  input.addEventListener("input", () => {
    const digits = tidy(input.value);
    if (digits !== input.value) input.value = digits;
    input.removeAttribute("aria-invalid");
    if (digits.length === most && digits !== sent) { sent = digits; form.requestSubmit(); }
  });
  form.addEventListener("submit", (/** @type {Event} */ event) => {
    const button = one("[type=submit]", form);
    if (button.getAttribute("aria-busy") === "true") { event.preventDefault(); return; }
    button.setAttribute("aria-busy", "true");
    one("#code-said").textContent = "Checking the code…";
  });
  // Back from the next page: the form is as it was, so it may be sent again.
  addEventListener("pageshow", (event) => { if (event.persisted) { sent = ""; one("[type=submit]", form).removeAttribute("aria-busy"); one("#code-said").textContent = ""; } });
}
