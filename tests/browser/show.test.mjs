// A newcomer's hour on a whole engine with a real media server: a creator goes live, members watch, nobody else gets in.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { engine, signIn } from "./engine.mjs";
import { browser, until } from "./house.mjs";

const STUDIO = "/studio/demo/experiences/main-stage";
const ROOM = "/account/purchased_spaces/demo/experiences/main-stage";

let chrome, it;
const said = [];
before(async () => { [chrome, it] = await Promise.all([browser(), engine()]); });
after(async () => { await chrome?.close(); await it?.stop(); });

/** Somebody in a browser of their own, signed in. */
async function somebody(name, next, of = chrome) {
  const context = await of.newContext({ viewport: { width: 1100, height: 800 }, permissions: ["camera", "microphone"], reducedMotion: "reduce" });
  const page = await context.newPage();
  page.on("console", (line) => { if (/Content Security Policy/.test(line.text())) said.push(`${name}: ${line.text()}`); });
  page.on("pageerror", (error) => said.push(`${name}: ${error.message}`));
  await signIn(page, it, `${name}@demo.test`, next);
  return page;
}

const lamp = (page) => page.locator(".watch-head .cue:visible").textContent();
const lit = (page, word, within_ms) => until(`the lamp says ${word}`, async () => (await lamp(page)) === word, within_ms);
const frames = (page) => page.evaluate(() => document.querySelector("[data-screen] video")?.getVideoPlaybackQuality().totalVideoFrames ?? 0);

/** Opens the lobby with the camera on. */
async function lobby(creator) {
  await creator.getByRole("button", { name: "Turn the camera on" }).click();
  await until("camera, microphone and engine are there", async () => (await creator.locator("[data-ready]").textContent()) === "All set", 20_000);
  await creator.getByRole("button", { name: "Open the lobby" }).click();
  await until("the lobby", () => creator.locator(".truth--lobby").isVisible());
}

/** Goes live from the lobby and waits until the picture is out. */
async function goLive(creator) {
  await creator.getByRole("button", { name: "Go live", exact: true }).click();
  await until("live", () => creator.locator(".truth--live").isVisible());
  await until("the picture is out", () => creator.getByText("What they see").isVisible(), 20_000);
}

async function end(creator) {
  await creator.getByRole("button", { name: "End the broadcast" }).click();
  await creator.getByRole("dialog").getByRole("button", { name: "End the broadcast" }).click();
  await until("ended", () => creator.locator(".truth--ended").isVisible());
}

test("a creator goes live, a member is switched over by itself, and both see the end", async () => {
  const [creator, member] = [await somebody("creator", STUDIO), await somebody("member", ROOM)];
  assert.ok(await creator.getByText("Nobody can see or hear you").isVisible());
  await lobby(creator);
  await lit(member, "Lobby is open");
  await until("the creator counts one", async () => (await creator.locator("dd[data-audience]").textContent()) === "1");
  await goLive(creator);
  const live = Date.now();
  await lit(member, "Live");
  const before_frames = await until("a picture", () => frames(member), 10_000);
  console.log(`# first picture on the member's page ${Date.now() - live} ms after the studio said live`);
  await until("it moves", async () => (await frames(member)) > before_frames + 5);
  await member.locator('[data-react="❤️"]').click();
  await until("the heart arrives", async () => (await creator.locator("[data-hearts]").textContent()) === "1");
  await until("health is known", async () => / of 100$/.test(await creator.locator("[data-health-score]").textContent()), 15_000);
  await end(creator);
  await lit(member, "Ended");
  await Promise.all([creator.context().close(), member.context().close()]);
});

test("a visitor reads why the door is closed, joins for free, and is inside", async () => {
  const visitor = await somebody("visitor", ROOM);
  assert.equal(await visitor.locator("[data-shut]").getAttribute("data-shut"), "no_grant");
  await visitor.getByRole("link", { name: /Join with Basic, free|Basic/i }).first().click();
  await visitor.getByRole("button", { name: "Join for free" }).click();
  await visitor.goto(it.http + ROOM);
  await until("the room", () => visitor.locator("[data-room]").isVisible());
  await visitor.context().close();
});

test("access that is taken away shuts the room within two seconds, picture and all", async () => {
  const [creator, member] = [await somebody("creator", STUDIO), await somebody("member", ROOM)];
  await lobby(creator);
  await goLive(creator);
  await until("a picture", () => frames(member), 10_000);
  const people = await somebody("creator", "/studio/demo/people");
  await people.getByRole("button", { name: /Take away.*member/i }).first().click();
  await people.getByRole("button", { name: "Take it away" }).click();
  const taken = Date.now();
  await until("the door or its slate", async () => (await member.locator("[data-shut]").isVisible()) || (await member.locator('[data-link-slate="access_ended"]').isVisible()), 3000);
  console.log(`# shut ${Date.now() - taken} ms after the press`);
  assert.equal(await frames(member), 0);
  await end(creator);
  await Promise.all([creator, people, member].map((page) => page.context().close()));
});

test("when the creator's browser dies, viewers are told within five seconds that it is not their line", async () => {
  const other = await browser();
  const [creator, visitor] = [await somebody("creator", STUDIO, other), await somebody("visitor", ROOM)];
  await lobby(creator);
  await goLive(creator);
  await until("a picture", () => frames(visitor), 10_000);
  const died = Date.now();
  await (await other.newBrowserCDPSession()).send("Browser.crash").catch(() => {});
  await lit(visitor, "Reconnecting", 7000);
  const told = Date.now() - died;
  console.log(`# told ${told} ms after the crash`);
  assert.ok(told <= 5500, `${told} ms`);
  assert.ok(await visitor.getByText("It is not your line").isVisible());
  await other.close().catch(() => {});
  await visitor.context().close();
});

test("no page broke the content policy or its script", () => assert.deepEqual(said, []));
