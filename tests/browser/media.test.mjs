// The two pages over a real media server: what the studio's page sends, the member's page shows; both say the truth about it.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { browser, until, views } from "./house.mjs";
import { mediaServer, publisher, viewer } from "./media_server.mjs";

let chrome, site, media;
before(async () => { [chrome, site, media] = await Promise.all([browser(), views(), mediaServer()]); });
after(async () => { await chrome?.close(); site?.close(); await media?.stop(); });

const now = () => new Date().toISOString();
const welcome = { t: "welcome", session: "vw_1", resume: "s", epoch: 1, offset: 0, recovered: false, heartbeat_secs: 25, server_time: now() };

/** Opens a view whose socket the test plays. */
async function open(view, path) {
  const context = await chrome.newContext({ viewport: { width: 960, height: 800 }, permissions: ["camera", "microphone"] });
  const page = await context.newPage();
  const said = [];
  page.on("console", (line) => { if (/Content Security Policy/.test(line.text())) said.push(line.text()); });
  page.on("pageerror", (error) => said.push(error.message));
  const engine = await new Promise((opened) => {
    page.routeWebSocket(path, (socket) => {
      const heard = [];
      socket.onMessage((text) => heard.push(JSON.parse(text)));
      opened({ heard, say: (frame) => socket.send(JSON.stringify(frame)), close: (code) => socket.close({ code }) });
    }).then(() => page.goto(site.url + view));
  });
  return { page, context, engine, said };
}

/** The studio's page, sending into `room`. */
async function studio(room) {
  const it = await open("studio-live-lobby", /\/studio$|\/studio\?/);
  await it.page.route("**/api/v1/broadcasts/**", async (route) => {
    const path = new URL(route.request().url()).pathname;
    const body = path.endsWith("/publisher-token") ? { token: publisher("creator:studio", room), url: media.ws, room, identity: "creator:studio", expires_at: now() } : { id: "bc_1", state: path.endsWith("/go-live") ? "live" : "ended", since: now(), live_at: now() };
    await route.fulfill({ status: 200, contentType: "application/json", body: JSON.stringify(body) });
  });
  it.engine.say(welcome);
  it.engine.say({ t: "snapshot", epoch: 1, offset: 0, state: "lobby", since: now(), broadcast: { id: "bc_1", title: "Talk" }, audience: { now: 1, users: 1, peak: 1 }, reactions: [], playback: { sources: [] }, stage: [], chat: null });
  return it;
}

/** A member's page in `room`, live. */
async function member(room, name) {
  const it = await open("room-lobby", /\/live/);
  it.engine.say(welcome);
  it.engine.say({ t: "snapshot", epoch: 1, offset: 0, state: "lobby", since: now(), broadcast: { id: "bc_1", title: "Talk" }, audience: { now: 1, users: 1, peak: 1 }, reactions: [], playback: { sources: [] }, stage: [], chat: null });
  it.live = () => {
    it.engine.say({ t: "state", epoch: 1, offset: 1, state: "live", since: now() });
    it.engine.say({ t: "playback", epoch: 1, offset: 2, sources: [{ kind: "livekit", url: media.ws, room }] });
    it.engine.say({ t: "token", kind: "livekit", token: viewer(name, room), expires_at: now() });
  };
  it.frames = () => it.page.evaluate(() => { const video = document.querySelector("[data-screen] video"); return video ? { width: video.videoWidth, frames: video.getVideoPlaybackQuality().totalVideoFrames } : { width: 0, frames: 0 }; });
  return it;
}

test("the studio's picture moves on the member's page within seconds", async () => {
  const room = `bc-${Date.now().toString(36)}`;
  await media.call("CreateRoom", { name: room });
  const creator = await studio(room), fan = await member(room, "fan:a");
  await creator.page.getByRole("button", { name: "Turn the camera on" }).click();
  await until("all set", async () => (await creator.page.locator("[data-ready]").textContent()) === "All set", 20_000);
  assert.deepEqual((await media.call("ListParticipants", { room })).participants, [], "the preview is not published");
  await creator.page.getByRole("button", { name: "Go live", exact: true }).click();
  await until("the studio sends", () => creator.page.getByText("What they see").isVisible(), 20_000);
  await until("the engine is told at once", () => creator.engine.heard.some((said) => said.t === "stats" && said.publishing), 500);
  fan.live();
  const first = await until("a picture", async () => { const seen = await fan.frames(); return seen.width > 0 && seen.frames > 2 ? seen : null; }, 20_000);
  await until("it moves", async () => (await fan.frames()).frames > first.frames + 5);
  assert.ok(await fan.page.locator('[data-slate="waiting"]').isHidden());
  const told = await until("the join is told", () => fan.engine.heard.find((said) => said.t === "quality" && said.join_ms !== undefined));
  assert.ok(told.join_ms > 0 && told.join_ms < 20_000);
  const stats = await until("the sending is told", () => creator.engine.heard.find((said) => said.t === "stats" && said.publishing && said.bitrate_bits > 0), 15_000);
  assert.ok(stats.fps > 0 && stats.height > 0 && stats.loss_ratio >= 0);
  assert.match(await creator.page.locator("[data-say]").textContent(), /1 person sees and hears you/);

  // The creator's line dies: the picture stands still, and the page says so within three seconds.
  const cut = Date.now();
  await creator.context.close();
  await until("the frozen picture is told, or the track is gone", async () => fan.engine.heard.some((said) => said.t === "quality" && said.frozen) || (await fan.page.locator('[data-slate="waiting"]').isVisible()), 6000);
  assert.ok(Date.now() - cut < 6000);
  assert.deepEqual([...creator.said, ...fan.said], []);
  await fan.context.close();
});

test("a viewer who is put out stays out, and comes back only with a fresh way in", async () => {
  const room = `bc-${Date.now().toString(36)}x`;
  await media.call("CreateRoom", { name: room });
  const creator = await studio(room), fan = await member(room, "fan:b");
  await creator.page.getByRole("button", { name: "Turn the camera on" }).click();
  await until("all set", async () => (await creator.page.locator("[data-ready]").textContent()) === "All set", 20_000);
  await creator.page.getByRole("button", { name: "Send my picture" }).click();
  await until("backstage", () => creator.page.getByText("Backstage: your picture arrives, nobody sees it").isVisible(), 20_000);
  fan.live();
  await until("a picture", async () => (await fan.frames()).frames > 2, 20_000);
  await media.call("RemoveParticipant", { room, identity: "fan:b" });
  await until("no picture", async () => (await fan.frames()).width === 0);
  const inside = async () => (await media.call("ListParticipants", { room })).participants.some(({ identity }) => identity === "fan:b");
  assert.equal(await inside(), false);
  fan.engine.say({ t: "token", kind: "livekit", token: viewer("fan:b", room, 300), expires_at: now() });
  await until("back with a fresh token", async () => (await fan.frames()).frames > 2, 20_000);
  assert.deepEqual([...creator.said, ...fan.said], []);
  await Promise.all([creator.context.close(), fan.context.close()]);
});
