// Every rendered view: usable with assistive technology by axe-core's measure, no sideways scroll, nothing the content policy stops.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { names } from "../../web/preview.mjs";
import { axeSource, browser, views } from "./house.mjs";

const RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
const LONG = process.env.BACKSTAGE_LONG === "1";

let chrome, site;
before(async () => { [chrome, site] = await Promise.all([browser(), views()]); });
after(async () => { await chrome?.close(); site?.close(); });

/** Opens every view once and hands it to `look`. */
async function everyView({ width, theme = "light", bypassCSP = false, only = () => true }, look) {
  const context = await chrome.newContext({ viewport: { width, height: 844 }, colorScheme: theme, reducedMotion: "reduce", bypassCSP });
  const page = await context.newPage();
  const said = [];
  page.on("console", (line) => { if (/Content Security Policy/.test(line.text())) said.push(line.text()); });
  page.on("pageerror", (error) => said.push(error.message));
  await page.routeWebSocket(/./, () => {});
  for (const name of names().filter((name) => name !== "not-built" && only(name))) {
    await page.goto(site.url + name);
    await look(page, name);
  }
  await context.close();
  return said;
}

for (const [theme, width] of LONG ? [["light", 390], ["dark", 1280], ["light", 1280], ["dark", 390]] : [["light", 390], ["dark", 1280]])
  test(`axe finds nothing in any view, ${theme}, ${width} px`, async () => {
    const found = [];
    await everyView({ width, theme, bypassCSP: true }, async (page, name) => {
      await page.evaluate(axeSource);
      const { violations } = await page.evaluate((values) => window.axe.run(document, { runOnly: values }), RULES);
      for (const { id, nodes } of violations) found.push(`${name}: ${id}: ${nodes.map((node) => node.target.join(" ")).join(", ")}`);
    });
    assert.deepEqual(found, []);
  });

for (const width of [320, 1680])
  test(`no view scrolls sideways or breaks the content policy at ${width} px`, async () => {
    const wide = [];
    const said = await everyView({ width }, async (page, name) => {
      const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      if (over > 0) wide.push(`${name}: ${over} px`);
    });
    assert.deepEqual(wide, []);
    assert.deepEqual(said, []);
  });

test("on a phone whatever is pressed is at least 44 px high, links inside sentences excepted", async () => {
  const small = [];
  await everyView({ width: 390 }, async (page, name) => {
    const found = await page.evaluate(() => {
      // A link is part of a sentence when words stand beside it.
      const in_words = (link) => [...link.parentElement.childNodes].some((part) => part.nodeType === Node.TEXT_NODE && part.textContent.trim());
      const pressed = [...document.querySelectorAll("a[href], button, select, summary, textarea, input:not([type=hidden], [type=radio], [type=checkbox], [type=range])")];
      const least = (part) => part.matches(":is(h2, h3) a") ? 0 : 44;
      return pressed
        .filter((part) => part.checkVisibility() && !part.closest(".skip, .visually-hidden") && !(part.matches("a") && in_words(part)))
        .map((part) => [part.getBoundingClientRect(), part])
        .filter(([box, part]) => box.width > 1 && box.height + 0.5 < least(part))
        .map(([box, part]) => `${part.tagName.toLowerCase()}.${part.className} “${part.textContent.trim().slice(0, 24)}” ${Math.round(box.height)} px`);
    });
    for (const one of new Set(found)) small.push(`${name}: ${one}`);
  });
  assert.deepEqual(small, []);
});

test("on a phone the entry of the studio's rail that one is at is in sight", async () => {
  await everyView({ width: 390, only: (name) => name.startsWith("studio-") }, async (page, name) => {
    const here = page.locator(".rail [aria-current]");
    if ((await here.count()) === 0) return;
    const box = await here.first().boundingBox();
    assert.ok(box.x >= 0 && box.x + box.width <= 390, `${name}: ${JSON.stringify(box)}`);
  });
});

test("every view shows its heading without a script, and the skip link comes first", async () => {
  const context = await chrome.newContext({ viewport: { width: 390, height: 844 }, javaScriptEnabled: false });
  const page = await context.newPage();
  for (const name of names()) {
    await page.goto(site.url + name);
    assert.ok((await page.locator("h1").first().textContent()).trim(), `${name} has a heading`);
    await page.keyboard.press("Tab");
    const first = name.startsWith("sign-in-") ? null : await page.locator(":focus").getAttribute("href");
    assert.ok(first === null || first === "#main", `${name}: the first stop is the skip link, not ${first}`);
  }
  await context.close();
});
