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
