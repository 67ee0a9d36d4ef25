// Walks a newcomer's hour on a whole engine and takes a picture of every page and state on the way, wide and narrow, to be looked at:
//   node tests/browser/pictures.mjs [FOLDER]      (target/pictures where none is named)
//   node tests/browser/pictures.mjs --readme      the two pictures that the README shows, in docs/pictures
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { crowd, engine, signIn } from "./engine.mjs";
import { film } from "./film.mjs";
import { browser, until } from "./house.mjs";

const root = fileURLToPath(new URL("../../", import.meta.url));
const readme = process.argv.includes("--readme");
const folder = readme ? join(root, "docs/pictures") : (process.argv[2] ?? join(root, "target/pictures"));
const STUDIO = "/studio/demo/experiences/main-stage";
const ROOM = "/account/purchased_spaces/demo/experiences/main-stage";
const SIZES = [[1280, 800], [390, 844]];

mkdirSync(folder, { recursive: true });
const it = await engine();
const chrome = await browser(await film());

async function somebody(name, next, scheme = "light") {
  const context = await chrome.newContext({ viewport: { width: 1280, height: 800 }, permissions: ["camera", "microphone"], reducedMotion: "reduce", colorScheme: scheme, timezoneId: "Europe/Berlin" });
  const page = await context.newPage();
  if (name) await signIn(page, it, `${name}@demo.test`, next);
  else await page.goto(it.http + next);
  return page;
}

/** Takes the page as it is, at both widths, as long as it is. */
async function shot(page, name) {
  if (readme) return;
  for (const [width, height] of SIZES) {
    await page.setViewportSize({ width, height });
    await page.evaluate(() => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn))));
    await page.screenshot({ path: join(folder, `${name}-${width}.png`), fullPage: true });
  }
  await page.setViewportSize({ width: 1280, height: 800 });
}

/** The same picture, a quarter of the bytes. @param {Buffer} png */
async function asWebp(png) {
  const page = await chrome.newPage();
  const url = await page.evaluate(async (png) => {
    const picture = await createImageBitmap(await (await fetch(png)).blob());
    const canvas = Object.assign(document.createElement("canvas"), { width: picture.width, height: picture.height });
    canvas.getContext("2d").drawImage(picture, 0, 0);
    return canvas.toDataURL("image/webp", 0.86);
  }, `data:image/png;base64,${png.toString("base64")}`);
  await page.close();
  return Buffer.from(url.split(",")[1], "base64");
}

const frames = (page) => page.evaluate(() => document.querySelector("[data-screen] video")?.getVideoPlaybackQuality().totalVideoFrames ?? 0);
const shows = (page, state) => until(state, () => page.locator(`.truth--${state}`).isVisible());
const lit = (page, word) => until(word, async () => (await page.locator(".watch-head .cue:visible").textContent()) === word, 20_000);

async function publicPages() {
  const visitor = await somebody(null, "/");
  await shot(visitor, "01-home");
  for (const [path, name] of [["/demo", "02-space"], ["/demo/basic", "03-pass-free"], ["/demo/vip", "04-pass-invitation"], ["/nothing-here", "05-not-found"], ["/login", "06-sign-in"]]) {
    await visitor.goto(it.http + path);
    await shot(visitor, name);
  }
  await visitor.getByLabel("E-mail").fill("visitor@demo.test");
  await visitor.getByRole("button", { name: "Send the code" }).click();
  await visitor.getByLabel("6-digit code").waitFor();
  await shot(visitor, "07-code");
  await visitor.getByLabel("6-digit code").fill("000000");
  await visitor.getByRole("alert").waitFor();
  await shot(visitor, "08-code-wrong");
  await visitor.context().close();
}

async function closedDoors() {
  const visitor = await somebody("visitor", ROOM);
  await shot(visitor, "10-door-no-grant");
  await visitor.goto(`${it.http}/account/purchased_spaces`);
  await shot(visitor, "11-spaces-empty");
  await visitor.goto(`${it.http}/studio`);
  await shot(visitor, "12-studio-no-team");
  await visitor.goto(`${it.http}/demo/basic`);
  await shot(visitor, "13-pass-signed-in");
  await visitor.getByRole("button", { name: "Join for free" }).click();
  await visitor.waitForURL(/purchased_spaces/);
  await shot(visitor, "14-joined-room-offline");
  for (const [path, name] of [["/account/purchased_spaces", "15-spaces"], ["/account/purchased_spaces/demo", "16-space-of-member"], ["/account/devices", "17-devices"], ["/demo/basic", "18-pass-held"]]) {
    await visitor.goto(it.http + path);
    await shot(visitor, name);
  }
  await visitor.context().close();
}

async function studioPages(creator) {
  await creator.goto(`${it.http}/studio`);
  const team = new URL(await creator.getByRole("link", { name: /Members/ }).getAttribute("href"), it.http).pathname;
  for (const [path, name] of [["/studio", "20-studio-home"], [team, "23-studio-team"], ["/studio/demo", "21-studio-space"], ["/studio/demo/people", "22-studio-people"], ["/studio/demo/passes/basic", "24-studio-pass"], [`${STUDIO}/settings`, "25-studio-settings"], [STUDIO, "26-studio-offline"]]) {
    await creator.goto(it.http + path);
    await creator.waitForLoadState("networkidle");
    await shot(creator, name);
  }
}

async function broadcast(creator, member, guest, sit) {
  await creator.getByRole("button", { name: "Turn the camera on" }).click();
  await until("all set", async () => (await creator.locator("[data-ready]").textContent()) === "All set", 20_000);
  await shot(creator, "30-studio-ready");
  const start = await creator.evaluate(() => { const at = new Date(Date.now() + 9 * 60_000); return new Date(at - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 16); });
  await creator.getByLabel("Title").fill("Mixing a record in one evening");
  await creator.getByLabel("Start", { exact: true }).fill(start);
  await creator.getByRole("button", { name: "Plan it" }).click();
  // The start is so near that the lobby opens by itself.
  await shows(creator, "lobby");
  await lit(member, "Lobby is open");
  await shot(creator, "32-studio-lobby");
  await shot(member, "33-room-lobby");
  await guest.goto(`${it.http}/demo`);
  await shot(guest, "34-space-in-lobby");
  await guest.goto(it.http + ROOM);
  await creator.getByRole("button", { name: "Go live", exact: true }).click();
  await shows(creator, "live");
  await until("a picture", async () => (await frames(member)) > 20, 20_000);
  const seats = await sit();
  seats.forEach((seat, at) => { for (let times = 0; times <= at % 3; times += 1) seat.say({ t: "react", e: ["❤️", "❤️", "👏", "🔥", "🎉"][(at + times) % 5] }); });
  for (let hearts = 0; hearts < 4; hearts += 1) { await member.locator('[data-react="❤️"]').click(); await member.waitForTimeout(300); }
  await until("health is known", async () => / of 100$/.test(await creator.locator("[data-health-score]").textContent()), 20_000);
  await creator.waitForTimeout(readme ? 25_000 : 8000);
  await shot(creator, "35-studio-live");
  await shot(member, "36-room-live");
  if (readme) {
    // The camera of a test browser is called by the path of its film.
    await creator.evaluate(() => { for (const [id, name] of [["cam", "Desk camera"], ["mic", "Microphone"]]) document.getElementById(id).selectedOptions[0].textContent = name; });
    for (const [page, name] of [[creator, "studio"], [member, "room"]]) {
      await page.setViewportSize({ width: 1280, height: 860 });
      await page.mouse.move(0, 0);
      await page.waitForTimeout(1500);
      writeFileSync(join(folder, `${name}.webp`), await asWebp(await page.screenshot()));
    }
    for (const seat of seats) seat.leave();
    return;
  }
  await creator.getByRole("button", { name: /Share screen/ }).click().catch(() => {});
  await creator.waitForTimeout(1500);
  await shot(creator, "37-studio-screen");
  await creator.getByRole("button", { name: "Stop sending my picture" }).click();
  await lit(member, "Reconnecting");
  await shot(member, "38-room-reconnecting");
  await shot(creator, "39-studio-reconnecting");
  await creator.getByRole("button", { name: "Send my picture" }).click();
  await lit(member, "Live");
  await creator.getByRole("button", { name: "End the broadcast" }).click();
  await shot(creator, "40-studio-end-asked");
  await creator.getByRole("dialog").getByRole("button", { name: "End the broadcast" }).click();
  await shows(creator, "ended");
  await lit(member, "Ended");
  await shot(member, "41-room-ended");
  await shot(creator, "42-studio-ended");
}

try {
  if (!readme) { await publicPages(); await closedDoors(); }
  const sit = readme ? await crowd(it, 86) : async () => [];
  const creator = await somebody("creator", STUDIO);
  if (!readme) { await studioPages(creator); await creator.goto(it.http + STUDIO); }
  const member = await somebody("member", ROOM), guest = await somebody("visitor", readme ? "/account/purchased_spaces" : ROOM);
  await broadcast(creator, member, guest, sit);
} finally {
  await chrome.close();
  await it.stop();
}
