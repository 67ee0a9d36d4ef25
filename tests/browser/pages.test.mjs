// Small things that pages do by themselves: the code field, the choice of a pass, the theme, menus by keyboard, local time.
import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { browser, until, views } from "./house.mjs";

let chrome, site, context, page;
before(async () => { [chrome, site] = await Promise.all([browser(), views()]); });
after(async () => { await chrome?.close(); site?.close(); });
beforeEach(async () => {
  context = await chrome.newContext({ viewport: { width: 390, height: 844 }, reducedMotion: "reduce", timezoneId: "Europe/Berlin" });
  page = await context.newPage();
});
afterEach(() => context.close());

test("a code pasted as a whole line is sent once, as six digits", async () => {
  const sent = [];
  await page.route("**/login/code", async (route) => { sent.push(route.request().postData()); await route.fulfill({ status: 200, contentType: "text/html", body: "<h1>in</h1>" }); });
  await page.goto(`${site.url}sign-in-code`);
  await page.evaluate(() => {
    const paste = new DataTransfer();
    paste.setData("text", "Your code is 123 456. It works for 10 minutes.");
    document.querySelector("#code").dispatchEvent(new ClipboardEvent("paste", { clipboardData: paste, bubbles: true, cancelable: true }));
  });
  await until("sent", () => sent.length === 1);
  const form = new URLSearchParams(sent[0]);
  assert.deepEqual([form.get("code"), form.get("request"), form.get("csrf"), form.get("next")], ["123456", "lc_1", "token-of-the-form", "/account/purchased_spaces/demo"]);
});

test("choosing a pass switches the details, the address and the bar without loading the page", async () => {
  await page.goto(`${site.url}space-next`);
  await page.evaluate(() => { window.kept = true; });
  await page.locator('input[value="crew"]').check({ force: true });
  assert.ok(await page.locator('[data-pass="crew"]').isVisible());
  assert.ok(await page.locator('[data-pass="basic"]').isHidden());
  assert.equal(new URL(page.url()).searchParams.get("pass"), "crew");
  assert.equal(await page.locator("[data-pass-bar] [data-act]").textContent(), "Go inside");
  assert.equal(await page.evaluate(() => window.kept), true);
});

test("the theme is kept in a cookie that the server can read", async () => {
  await page.goto(`${site.url}home`);
  const button = page.getByRole("button", { name: "Theme" });
  await button.click();
  await until("the first choice has the focus", () => page.evaluate(() => document.activeElement?.getAttribute("data-theme-choice") === "device"));
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), "dark");
  const cookies = await context.cookies(site.url);
  assert.equal(cookies.find(({ name }) => name === "theme")?.value, "dark");
});

test("a menu closes with Escape and gives the focus back", async () => {
  await page.goto(`${site.url}spaces`);
  const button = page.getByRole("button", { name: /your account/ });
  await button.click();
  await until("open", async () => (await button.getAttribute("aria-expanded")) === "true");
  await page.keyboard.press("Escape");
  await until("closed", async () => (await button.getAttribute("aria-expanded")) === "false");
  assert.ok(await button.evaluate((it) => it === document.activeElement));
});

test("moments are written in the reader's own time", async () => {
  await page.goto(`${site.url}space-next`);
  const moment = page.locator(".now time[data-local]");
  assert.match(await moment.textContent(), /^\w+ \d+ \w+( \d{4})?, \d\d:\d\d your time \(Berlin\)$/);
  assert.match(await moment.getAttribute("datetime"), /Z$/);
});
