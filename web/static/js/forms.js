// @ts-check
// Forms that speak to the JSON interface: <form data-api="PATCH /api/v1/…">. Fields become JSON by their data-type;
// a problem is told inside the form, a success by a toast after the page was loaded again.
import { call } from "./api.js";
import { all, make, one } from "./dom.js";
import { toast, toastAfterReload } from "./toast.js";

/** A line of the form "What is asked? *". @param {string} line */
function question(line) {
  const text = line.trim().replace(/\s*\*$/, "");
  return { text, required: /\*\s*$/.test(line) };
}

/** "12.5" in whole minor units; what is not a number goes as it was typed, and the answer says what is wrong with it.
 * @param {string} text @param {string} currency */
function minor(text, currency) {
  let digits = 2;
  try { digits = new Intl.NumberFormat("en", { style: "currency", currency }).resolvedOptions().maximumFractionDigits ?? 2; } catch { /* the answer says that this is no currency */ }
  const [, whole, rest = ""] = /^(\d+)(?:[.,](\d*))?$/.exec(text) ?? [];
  return whole === undefined || rest.length > digits ? text : Number(whole + rest.padEnd(digits, "0"));
}

/** @param {any} field */
function valueOf(field) {
  const raw = field.value.trim();
  const type = field.dataset.type ?? "text";
  if (type === "bool") return field.checked;
  if (type === "bool-text") return raw === "true";
  if (type === "lines") return raw.split("\n").map((/** @type {string} */ line) => line.trim()).filter(Boolean);
  if (type === "questions") return raw.split("\n").map(question).filter((/** @type {any} */ one) => one.text);
  if (raw === "") return field.dataset.empty === "omit" ? undefined : field.dataset.empty === "null" ? null : "";
  if (type === "int") return Number(raw) * Number(field.dataset.times ?? 1);
  if (type === "money") return minor(raw, /** @type {any} */ (document.getElementById(field.dataset.currency))?.value);
  if (type === "moment") return new Date(raw).toISOString();
  return field.value;
}

/** @param {HTMLFormElement} form */
function bodyOf(form) {
  /** @type {Record<string, any>} */
  const body = {};
  for (const field of /** @type {any[]} */ ([...form.elements])) {
    if (!field.name || field.matches("button, fieldset") || field.dataset.type === "path" || (field.disabled && field.dataset.type !== "list")) continue;
    if (field.dataset.type === "list") {
      body[field.name] ??= [];
      if (field.checked) body[field.name].push(field.value);
      continue;
    }
    if (field.closest("[data-shown][hidden]")) continue;
    const value = valueOf(field);
    if (value !== undefined) body[field.name] = value;
  }
  return body;
}

/** The fields that the server names, as a list or by their sentences. @param {any} error @returns {string[]} */
function wrongFields(error) {
  const named = error?.body?.fields ?? [];
  return Array.isArray(named) ? named : Object.keys(named);
}

/** @param {HTMLFormElement} form */
async function send(form) {
  const [method, template] = (form.dataset.api ?? "").split(" ");
  const path = template.replace(/\{(\w+)\}/g, (_, name) => encodeURIComponent(/** @type {any} */ (form.elements.namedItem(name))?.value ?? ""));
  const button = one("[type=submit]", form);
  const told = one("[data-problem]", form);
  if (told) told.textContent = "";
  for (const field of all("[aria-invalid]", form)) field.removeAttribute("aria-invalid");
  button?.setAttribute("aria-busy", "true");
  try {
    const body = bodyOf(form);
    const answer = await call(method, path, method === "DELETE" && Object.keys(body).length === 0 ? undefined : body);
    const done = form.dataset.done ?? "Done.";
    if (form.dataset.then) location.assign(form.dataset.then.replace(/\{(\w+)\}/g, (_, name) => encodeURIComponent(answer?.[name] ?? "")));
    else if (form.hasAttribute("data-auto")) toast(done);
    else { toastAfterReload(done); location.reload(); }
  } catch (error) {
    for (const name of wrongFields(error)) /** @type {any} */ (form.elements.namedItem(name))?.setAttribute?.("aria-invalid", "true");
    if (told) told.textContent = /** @type {Error} */ (error).message;
    else toast(/** @type {Error} */ (error).message);
    if (form.hasAttribute("data-auto")) form.reset();
  } finally {
    button?.removeAttribute("aria-busy");
  }
}

document.addEventListener("submit", (event) => {
  const form = /** @type {HTMLFormElement} */ (event.target);
  if (form.hasAttribute("data-api")) { event.preventDefault(); if (one("[type=submit]", form)?.getAttribute("aria-busy") !== "true") send(form); }
  else if (form.hasAttribute("data-why")) { event.preventDefault(); askWhy(form); }
});
document.addEventListener("change", (event) => {
  const form = /** @type {any} */ (event.target).form;
  if (form?.hasAttribute?.("data-auto")) send(form);
});
document.addEventListener("input", (event) => {
  const field = /** @type {any} */ (event.target);
  const slug = document.getElementById(field.dataset?.slugInto ?? "");
  if (slug instanceof HTMLInputElement && !slug.dataset.touched)
    slug.value = field.value.normalize("NFKD").replace(/[\u0300-\u036f]/g, "").toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-+|-+$/g, "").slice(0, 64);
  else if (field.name === "slug") field.dataset.touched = "yes";
});

/** Why somebody can open a door, in the words of the studio. @param {HTMLFormElement} form */
async function askWhy(form) {
  const answer = one("[data-why-answer]", form.parentElement ?? document);
  const told = one("[data-problem]", form.parentElement ?? document);
  const user = String(new FormData(form).get("user")), door = String(new FormData(form).get("door"));
  told.textContent = "";
  try {
    const access = await call("GET", `/api/v1/experiences/${encodeURIComponent(door)}/access?user=${encodeURIComponent(user)}`);
    const box = make("div", access.allowed ? "verdict" : "verdict is-no"), words = make("div");
    const until = access.expires_at ? `, until ${new Date(access.expires_at).toLocaleString("en-GB")}` : "";
    words.append(make("b", "", access.allowed ? `Yes${until}` : "No"), make("span", "small soft", access.allowed && access.reason === "staff" ? "They belong to the team." : `The reason on the wire: ${access.reason}${access.grant?.source ? `, by a grant that was ${access.grant.source}` : ""}.`));
    box.append(words);
    answer.replaceChildren(box);
  } catch (error) {
    answer.replaceChildren();
    told.textContent = /** @type {Error} */ (error).message;
  }
}

/** Shows what belongs to the choice: <select data-shows="price"> and <div data-shown="price one_time">. @param {any} select */
function showFor(select) {
  for (const part of all(`[data-shown~="${select.dataset.shows}"]`, select.form)) part.hidden = !part.dataset.shown.split(" ").includes(select.value);
}
for (const select of all("[data-shows]")) { showFor(select); select.addEventListener("change", () => showFor(select)); }
for (const field of all("[data-iso]")) {
  const at = new Date(field.dataset.iso);
  field.value = new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

for (const link of all("[data-reload]")) link.addEventListener("click", (/** @type {Event} */ event) => { event.preventDefault(); location.reload(); });
const reload = one("[data-reload-in]");
if (reload) setTimeout(() => location.reload(), Number(reload.dataset.reloadIn) * 1000);
