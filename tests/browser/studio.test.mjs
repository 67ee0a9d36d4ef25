// The studio's pages against an interface that the test plays: what is sent, in which order, and what the creator reads.
import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { browser, until, views } from "./house.mjs";

let chrome, site, context, page, calls, sockets;
before(async () => { [chrome, site] = await Promise.all([browser(), views()]); });
after(async () => { await chrome?.close(); site?.close(); });

beforeEach(async () => {
  context = await chrome.newContext({ viewport: { width: 1280, height: 900 }, reducedMotion: "reduce", permissions: ["camera", "microphone"] });
  page = await context.newPage();
  calls = [];
  sockets = [];
  await page.routeWebSocket(/\/studio/, (socket) => {
    const heard = [];
    socket.onMessage((text) => heard.push(JSON.parse(text)));
    sockets.push({ heard, say: (frame) => socket.send(JSON.stringify(frame)), close: (code) => socket.close({ code }) });
  });
});
afterEach(() => context.close());

/** Answers every call of the interface by `answer`, and notes what was asked. */
async function play(answer) {
  await page.route("**/api/v1/**", async (route) => {
    const request = route.request();
    const call = { method: request.method(), path: new URL(request.url()).pathname, headers: request.headers(), body: request.postDataJSON() };
    calls.push(call);
    const [status, body] = answer(call);
    await route.fulfill({ status, contentType: status < 400 ? "application/json" : "application/problem+json", body: body === null ? "" : JSON.stringify(body) });
  });
}

const broadcast = (state, more = {}) => ({ id: "bc_9", experience_id: "exp_1", title: null, state, since: new Date().toISOString(), until: null, scheduled_at: null, live_at: null, ...more });
const say = () => page.locator("[data-say]").textContent();

async function open(view, state) {
  await page.goto(site.url + view);
  const engine = await until("the studio's socket", () => sockets[0]);
  engine.say({ t: "welcome", session: "vw_1", resume: "s", epoch: 1, offset: 0, recovered: false, heartbeat_secs: 25, server_time: new Date().toISOString() });
  engine.say({ t: "snapshot", epoch: 1, offset: 0, state, since: null, broadcast: ["offline", "ended"].includes(state) ? null : { id: "bc_1", title: "Talk", scheduled_at: null, live_at: null }, audience: { now: 3, users: 3, peak: 4 }, reactions: [], playback: { sources: [] }, stage: [], chat: null });
  await until("the engine is up", async () => (await page.locator('[data-check="engine"] [data-check-word]').textContent()) === "Up");
  return engine;
}

test("opening the lobby makes the broadcast, then opens it, each with the session's token and a key of its own", async () => {
  await play(({ path }) => [path.endsWith("/broadcasts") ? 201 : 200, broadcast(path.endsWith("/lobby") ? "lobby" : "scheduled")]);
  await open("studio-live-offline", "offline");
  await page.getByRole("button", { name: "Open the lobby" }).click();
  await until("the lobby", () => page.locator(".truth--lobby").isVisible());
  assert.deepEqual(calls.map(({ method, path }) => `${method} ${path}`), ["POST /api/v1/experiences/exp_1/broadcasts", "POST /api/v1/broadcasts/bc_9/lobby"]);
  for (const { headers } of calls) assert.equal(headers["x-csrf-token"], "token-of-the-form");
  assert.notEqual(calls[0].headers["idempotency-key"], calls[1].headers["idempotency-key"]);
  assert.equal(await say(), "Nobody can see or hear you");
});

test("a broadcast that is already open is taken up instead of made", async () => {
  await play(({ method, path }) => method === "GET" ? [200, broadcast("scheduled")] : path.endsWith("/broadcasts") ? [409, { code: "broadcast_open", detail: "One is open.", broadcast_id: "bc_9" }] : [200, broadcast("lobby")]);
  await open("studio-live-offline", "offline");
  await page.getByRole("button", { name: "Open the lobby" }).click();
  await until("the lobby", () => page.locator(".truth--lobby").isVisible());
  assert.equal(calls.at(-1).path, "/api/v1/broadcasts/bc_9/lobby");
});

test("a command that is refused says why, and nothing changes", async () => {
  await play(() => [409, { code: "illegal_transition", detail: "This broadcast is already over.", state: "ended" }]);
  await open("studio-live-lobby", "lobby");
  await page.getByRole("button", { name: "Go live", exact: true }).click();
  await until("the words", async () => (await page.locator("[data-command-problem]").textContent()) === "This broadcast is already over.");
  assert.ok(await page.locator(".truth--lobby").isVisible());
});

test("ending asks once, with the safe button in focus", async () => {
  await play(() => [200, broadcast("ended")]);
  await open("studio-live-live", "live");
  await page.getByRole("button", { name: "End the broadcast" }).click();
  const dialog = page.getByRole("dialog");
  assert.match(await dialog.textContent(), /End it for 3 people\?/);
  assert.equal(await page.evaluate(() => document.activeElement.textContent), "Keep going");
  assert.equal(calls.length, 0);
  await dialog.getByRole("button", { name: "End the broadcast" }).click();
  await until("ended", () => page.locator(".truth--ended").isVisible());
  assert.equal(calls[0].path, "/api/v1/broadcasts/bc_1/end");
});

test("the preview shows the camera to the creator alone and nothing is published", async () => {
  await play(() => [500, { code: "internal", detail: "no" }]);
  await open("studio-live-offline", "offline");
  await page.getByRole("button", { name: "Turn the camera on" }).click();
  await until("a moving picture", () => page.evaluate(() => document.querySelector("[data-preview]").videoWidth > 0));
  await until("all set", async () => (await page.locator("[data-ready]").textContent()) === "All set");
  assert.ok(await page.getByText("Only you see this").isVisible());
  assert.ok((await page.locator("#cam option").count()) > 0);
  assert.equal(calls.length, 0);
  await page.keyboard.press("Alt+KeyM");
  await until("muted", async () => (await page.locator('[data-toggle="mic"]').getAttribute("aria-pressed")) === "true");
});

test("the studio is heard from every two seconds, also while nothing is sent", async () => {
  await play(() => [200, {}]);
  const engine = await open("studio-live-live", "live");
  await until("two reports", () => engine.heard.filter((said) => said.t === "stats").length >= 2);
  assert.equal(engine.heard.find((said) => said.t === "stats").publishing, false);
});

test("health is a score with its reasons, and unknown when nobody says", async () => {
  const engine = await open("studio-live-live", "live");
  engine.say({ t: "health", health: { status: "known", score: 38, reasons: ["low_bitrate"] }, stats: null });
  await until("the score", async () => (await page.locator("[data-health-score]").textContent()) === "38 of 100");
  assert.match(await page.locator("[data-health-reasons]").textContent(), /cable/);
  engine.say({ t: "health", health: { status: "unknown" }, stats: null });
  await until("unknown", async () => (await page.locator("[data-health-score]").textContent()) === "unknown");
});

test("a plan is sent as a moment with its zone", async () => {
  await play(({ body }) => [201, broadcast("scheduled", { scheduled_at: body.scheduled_at, title: body.title })]);
  await open("studio-live-offline", "offline");
  await page.getByLabel("Title").fill("On call");
  await page.getByLabel("Start", { exact: true }).fill("2027-01-05T19:00");
  await page.getByRole("button", { name: "Plan it" }).click();
  await until("scheduled", () => page.locator(".truth--scheduled").isVisible());
  assert.equal(calls[0].body.title, "On call");
  assert.match(calls[0].body.scheduled_at, /^2027-01-05T\d\d:00:00.000Z$/);
});

test("ticking a room in a pass is one call with every ticked room, and a refusal puts the tick back", async () => {
  let status = 200;
  await play(() => (status === 200 ? [200, {}] : [403, { code: "forbidden", detail: "Your role cannot do this." }]));
  await page.goto(`${site.url}studio-pass`);
  const tick = page.getByRole("switch", { name: "Main Stage" });
  await tick.uncheck();
  await until("the call", () => calls.length === 1);
  assert.deepEqual([calls[0].method, calls[0].path, calls[0].body], ["PUT", "/api/v1/passes/pas_1/experiences", { experience_ids: [] }]);
  status = 403;
  await until("told", () => page.getByText("Doors follow within a second").isVisible());
  await tick.check();
  await until("the words", () => page.getByText("Your role cannot do this.").isVisible());
});

test("access is given by e-mail and taken away after one question", async () => {
  await play(({ method }) => [method === "POST" ? 201 : 204, method === "POST" ? { id: "gr_2" } : null]);
  await page.goto(`${site.url}studio-pass`);
  await page.getByRole("button", { name: "Give it to someone" }).click();
  await page.getByLabel("E-mail").fill("lena@vogt.example");
  await page.getByRole("button", { name: "Give it", exact: true }).click();
  await until("given", () => page.getByText("Given. It opens at once.").isVisible());
  assert.deepEqual(calls[0].body, { email: "lena@vogt.example" });
  await page.getByRole("button", { name: /Take away ?: VIP from Lena Vogt/ }).click();
  assert.match(await page.getByRole("dialog").textContent(), /Take VIP away from Lena Vogt\?/);
  await page.getByRole("button", { name: "Take it away" }).click();
  await until("taken", () => calls.length === 2);
  assert.deepEqual([calls[1].method, calls[1].path, calls[1].body], ["DELETE", "/api/v1/grants/gr_1", null]);
});
