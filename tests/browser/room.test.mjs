// The member's room against a socket that the test plays: states follow by themselves, gaps and drops heal, ends are final.
import assert from "node:assert/strict";
import { after, before, beforeEach, afterEach, test } from "node:test";
import { browser, until, views } from "./house.mjs";

let chrome, site, context, page, sockets;
before(async () => { [chrome, site] = await Promise.all([browser(), views()]); });
after(async () => { await chrome?.close(); site?.close(); });

beforeEach(async () => {
  context = await chrome.newContext({ viewport: { width: 1280, height: 800 }, reducedMotion: "reduce" });
  page = await context.newPage();
  sockets = [];
  await page.routeWebSocket(/\/live/, (socket) => {
    const heard = [];
    socket.onMessage((text) => heard.push(JSON.parse(text)));
    sockets.push({ heard, offers: socket.protocols(), device: new URL(socket.url()).searchParams.get("device"), say: (frame) => socket.send(JSON.stringify(frame)), close: (code, reason = "") => socket.close({ code, reason }) });
  });
});
afterEach(() => context.close());

const welcome = (more = {}) => ({ t: "welcome", session: "vw_1", resume: "secret", epoch: 3, offset: 7, recovered: false, heartbeat_secs: 25, server_time: new Date().toISOString(), ...more });
const snapshot = (state, more = {}) => ({ t: "snapshot", epoch: 3, offset: 7, state, since: new Date().toISOString(), broadcast: { id: "bc_1", title: "The boring parts" }, audience: { now: 12, users: 12, peak: 14 }, reactions: [], playback: { sources: [] }, stage: [], chat: null, ...more });
const state = (offset, name, more = {}) => ({ t: "state", epoch: 3, offset, state: name, since: new Date().toISOString(), ...more });

/** The n-th socket the page opened. */
const socket = (n = 0) => until(`socket ${n}`, () => sockets[n]);
const lit = () => page.locator(".watch-head .cue:visible").textContent();
const link = () => page.locator("[data-link-slate]:visible").getAttribute("data-link-slate").catch(() => null);
const linked = (name) => until(`the slate ${name}`, async () => (await page.locator(`[data-link-slate="${name}"]`).isVisible()));

async function enter(view = "room-lobby", name = "lobby") {
  await page.goto(site.url + view);
  const first = await socket();
  first.say(welcome());
  first.say(snapshot(name));
  await until("the snapshot is shown", async () => (await page.locator("[data-title]").textContent()) === "The boring parts");
  return first;
}

test("the lobby turns into the live room by itself, and the count follows", async () => {
  const engine = await enter();
  await until("12 waiting", async () => (await page.locator("[data-audience]:visible").textContent()) === "12");
  assert.equal(await lit(), "Lobby is open");
  engine.say(state(8, "live"));
  await until("live", async () => (await lit()) === "Live");
  assert.ok(await page.locator('[data-slate="waiting"]').isVisible());
  engine.say({ t: "audience", epoch: 3, offset: 8, now: 1312, users: 1300, peak: 1312 });
  await until("the count", async () => (await page.locator("[data-audience]:visible").textContent()) === "1,312");
  engine.say(state(9, "ended"));
  await until("ended", async () => (await lit()) === "Ended");
  assert.ok(await page.getByText("Thank you for being there").isVisible());
});

test("while the studio is away the room says that it is not the viewer's line, and counts down", async () => {
  const engine = await enter("room-live", "live");
  engine.say(state(8, "reconnecting", { until: new Date(Date.now() + 48_000).toISOString() }));
  await until("the slate", () => page.getByText("It is not your line").isVisible());
  await until("a countdown", async () => Number(await page.locator("[data-left]").first().textContent()) <= 48);
  engine.say(state(9, "live"));
  await until("live again", async () => (await lit()) === "Live");
});

test("a heart is sent, shown at once, and not counted twice when the room's totals come", async () => {
  const engine = await enter("room-live", "live");
  const heart = page.locator('[data-react="❤️"]');
  await heart.click();
  await until("the heart", () => engine.heard.find((said) => said.t === "react" && said.e === "❤️"));
  assert.equal(await heart.locator("[data-total]").textContent(), "1");
  engine.say({ t: "reactions", epoch: 3, offset: 7, totals: { "❤️": 5 }, window_ms: 500 });
  await until("five", async () => (await heart.locator("[data-total]").textContent()) === "5");
});

test("a dropped connection comes back to its place with what was seen last", async () => {
  const engine = await enter();
  engine.say(state(8, "live"));
  await until("live", async () => (await lit()) === "Live");
  engine.close(1011);
  const again = await socket(1);
  assert.deepEqual(engine.offers, ["backstage.v1"]);
  assert.deepEqual(again.offers, ["backstage.v1", "resume.vw_1.secret.3.8"]);
  assert.ok(engine.device && engine.device === again.device, "the device keeps its name");
  again.say(welcome({ recovered: true, offset: 8 }));
  again.say(state(9, "ended"));
  await until("the missed frame", async () => (await lit()) === "Ended");
  assert.equal(sockets.length, 2);
});

test("a hole in the numbers is healed by a fresh snapshot", async () => {
  const engine = await enter();
  engine.say(state(9, "live"));
  const again = await socket(1);
  assert.deepEqual(again.offers, ["backstage.v1"]);
  again.say(welcome({ offset: 9 }));
  again.say(snapshot("live", { offset: 9 }));
  await until("live", async () => (await lit()) === "Live");
});

test("frames of an older activation are passed over, and a new one brings its snapshot", async () => {
  const engine = await enter();
  engine.say(snapshot("live", { epoch: 4, offset: 1 }));
  await until("live", async () => (await lit()) === "Live");
  engine.say({ ...state(8, "ended"), epoch: 3 });
  engine.say({ t: "audience", epoch: 4, offset: 1, now: 99, users: 99, peak: 99 });
  await until("the count", async () => (await page.locator("[data-audience]:visible").textContent()) === "99");
  assert.equal(await lit(), "Live");
  assert.equal(sockets.length, 1);
});

for (const [code, reason, slate] of [[4001, "signed_out", "signed_out"], [4009, "replaced", "replaced"], [4410, "gone", "gone"], [4400, "protocol", "stopped"], [4003, "revoked", "access_ended"]])
  test(`close code ${code} is final and says so`, async () => {
    const engine = await enter("room-live", "live");
    engine.say({ t: "bye", code, reason, reconnect: false, after_ms: 0 });
    engine.close(code, reason);
    await linked(slate);
    assert.equal(sockets.length, 1);
    assert.equal(await link(), slate);
  });

test("whoever went on watching elsewhere and wants to watch here after all comes anew, without the void ticket", async () => {
  const engine = await enter("room-live", "live");
  engine.say({ t: "bye", code: 4009, reason: "replaced", reconnect: false, after_ms: 0 });
  engine.close(4009, "replaced");
  await linked("replaced");
  await page.getByRole("button", { name: "Watch here instead" }).click();
  const again = await socket(1);
  assert.deepEqual(again.offers, ["backstage.v1"]);
  assert.equal(engine.device, again.device);
});

test("when access ends, the server's own door takes the place of the room", async () => {
  const engine = await enter("room-live", "live");
  await page.route(/\/room-live\?device=[\w-]+$/, async (route) => route.fulfill({ response: await route.fetch({ url: `${site.url}door-revoked` }) }));
  engine.say({ t: "bye", code: 4003, reason: "revoked", reconnect: false, after_ms: 0 });
  engine.close(4003, "revoked");
  await until("the door", () => page.getByText("The team took your VIP back").isVisible());
  assert.equal(await page.locator("[data-screen]").count(), 0);
  assert.equal(await page.evaluate(() => document.activeElement?.id), "door-h");
});

test("an engine that goes away is come back to, not before it said", async () => {
  const engine = await enter();
  const told = Date.now();
  engine.say({ t: "bye", code: 4010, reason: "deploy", reconnect: true, after_ms: 700 });
  engine.close(4010, "deploy");
  await socket(1);
  assert.ok(Date.now() - told >= 690, "it waited as it was told");
});

test("a door that does not open is asked why, and the answer is told in words", async () => {
  await page.routeWebSocket(/\/live/, (socket) => socket.close({ code: 1011 }));
  await page.route("**/access?**", (route) => route.fulfill({ status: 503, contentType: "application/problem+json", body: JSON.stringify({ code: "unavailable", detail: "Try again." }) }));
  await page.goto(`${site.url}room-lobby`);
  await linked("unknown");
});
