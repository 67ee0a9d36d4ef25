// Whoever was put out knocks at the real media server with every token they ever held: no frame is shown to them.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { engine } from "./engine.mjs";
import { browser, until } from "./house.mjs";
import { ROOM, STUDIO, end, frames, goLive, listen, somebody } from "./show.mjs";

const LIBRARY = fileURLToPath(new URL("../../web/node_modules/livekit-client/dist/livekit-client.umd.js", import.meta.url));
const REJOINS = 20;
/** Rule: out within two seconds. */
const OUT_MS = 2000;
/** How long each attempt is watched at least, in which a picture would have been there for long. */
const WATCHED_MS = 2500;

let chrome, it;
before(async () => { [chrome, it] = await Promise.all([browser(), engine()]); });
after(async () => { await chrome?.close(); await it?.stop(); });

/** A page of somebody who writes their own client: it shows whatever it is given. */
async function intruder() {
  const context = await chrome.newContext();
  const page = await context.newPage();
  const heard = listen(page);
  await page.addScriptTag({ path: LIBRARY });
  await page.evaluate(() => {
    const kit = globalThis.LivekitClient;
    kit.setLogLevel("silent");
    globalThis.seen = { frames: 0, subscribed: 0, began: 0, joined: 0, out: 0, last: 0, parts: [] };
    globalThis.knock = (url, token) => {
      globalThis.room?.disconnect();
      const mine = (globalThis.room = new kit.Room()), seen = globalThis.seen;
      Object.assign(seen, { began: performance.now(), joined: 0, out: 0, tries: (seen.tries ?? 0) + 1 });
      mine.on(kit.RoomEvent.Connected, () => { seen.joined = performance.now() - seen.began; });
      mine.on(kit.RoomEvent.Disconnected, () => { if (mine === globalThis.room) seen.out = performance.now() - seen.began; });
      mine.on(kit.RoomEvent.TrackSubscribed, (track) => {
        seen.subscribed += 1;
        const part = document.body.appendChild(track.attach());
        if (track.kind !== "video") return;
        seen.parts.push(part);
        const count = () => { seen.frames += 1; seen.last = Date.now(); part.requestVideoFrameCallback(count); };
        part.requestVideoFrameCallback(count);
      });
      mine.connect(url, token, { autoSubscribe: true, rtcConfig: { iceServers: [] } }).catch(() => { if (mine === globalThis.room && !seen.out) seen.out = performance.now() - seen.began; });
    };
  });
  return {
    tokens: heard.tokens,
    knock: (url, token) => page.evaluate(([to, by]) => globalThis.knock(to, by), [url, token]),
    seen: () => page.evaluate(() => {
      // What was decoded counts, shown or not.
      const decoded = globalThis.seen.parts.reduce((sum, part) => sum + part.getVideoPlaybackQuality().totalVideoFrames, 0);
      return { ...globalThis.seen, parts: [], frames: Math.max(globalThis.seen.frames, decoded) };
    }),
    forget: () => page.evaluate(() => { Object.assign(globalThis.seen, { frames: 0, subscribed: 0, parts: [] }); document.body.replaceChildren(); }),
    leave: () => context.close(),
  };
}

test("survive_049: in twenty rejoins with every token a viewer ever held, no frame is shown", { timeout: 180_000 }, async () => {
  const [creator, member] = [await somebody(chrome, it, "creator", STUDIO), await somebody(chrome, it, "member", ROOM)];
  await goLive(creator.page);
  await until("a picture", () => frames(member.page), 10_000);
  const { url, room } = member.heard.frames.findLast((frame) => frame.t === "playback").sources[0];
  const ours = () => member.heard.frames.filter((frame) => frame.t === "token").map(({ token }) => token);
  await until("a token of ours and one that the server pushed", () => ours().length >= 1 && member.heard.tokens.size >= 2, 20_000);
  // Tokens of one second are the same text: times in them are whole seconds.
  const second = Math.floor(Date.now() / 1000);
  await until("another second", () => Math.floor(Date.now() / 1000) > second);
  // A second visit brings a second token of ours, and of the server's.
  await member.page.reload();
  await until("a picture again", () => frames(member.page), 10_000);
  await until("two tokens of ours and two that the server pushed", () => ours().length >= 2 && member.heard.tokens.size >= 4, 20_000);

  // While the right holds, the intruder's client shows what it is given: what follows would show it too.
  const thief = await intruder();
  await thief.knock(url, ours()[0]);
  await until("moving frames", async () => (await thief.seen()).frames > 10, 10_000);
  await until("a token that the server pushed", () => thief.tokens.size >= 1, 20_000);

  const people = await somebody(chrome, it, "creator", "/studio/demo/people");
  await people.page.getByRole("button", { name: /Take away.*member/i }).first().click();
  await people.page.getByRole("button", { name: "Take it away" }).click();
  const taken = Date.now();
  await until("out", async () => (await thief.seen()).out > 0, OUT_MS + 1000);
  const bye = await until("the door", () => member.heard.frames.find((frame) => frame.t === "bye"), OUT_MS);
  assert.equal(bye.code, 4003);
  const { last } = await thief.seen();
  console.log(`# last frame ${last - taken} ms after the press, socket closed after ${bye.at - taken} ms`);
  assert.ok(last - taken <= OUT_MS && bye.at - taken <= OUT_MS);

  await thief.forget();
  let shown = 0, subscribed = 0, longest = 0, joined = 0;
  const tried = new Set();
  for (let n = 0; n < REJOINS; n += 1) {
    // Those that the server pushes to whoever is just being put out are the best there are: newest first.
    const held = [...new Set([...thief.tokens, ...member.heard.tokens])];
    const token = held.findLast((one) => !tried.has(one)) ?? held[n % held.length];
    tried.add(token);
    const began = Date.now();
    await thief.knock(url, token);
    await until("an end of it", async () => (await thief.seen()).out > 0 && Date.now() - began >= WATCHED_MS, 20_000);
    const seen = await thief.seen();
    shown += seen.frames;
    subscribed += seen.subscribed;
    joined += seen.joined > 0 ? 1 : 0;
    longest = Math.max(longest, seen.joined > 0 ? seen.out - seen.joined : 0);
    await thief.forget();
  }
  const every = new Set([...thief.tokens, ...member.heard.tokens]);
  console.log(`# ${REJOINS} rejoins with ${tried.size} of ${every.size} tokens: let in for a moment ${joined} times, for ${Math.round(longest)} ms at the longest; tracks subscribed ${subscribed}, frames shown ${shown}`);
  assert.equal(shown, 0);
  assert.ok(longest <= OUT_MS, `${longest} ms`);
  assert.ok(tried.size >= 5, "at least the tokens of both visits were tried");
  await end(creator.page);
  await Promise.all([creator, people, member, thief].map((one) => one.leave()));

  // What the server told of all this was verified on the raw body, stored once and applied.
  const hooks = await until("the room's end is told", () => {
    const found = it.sql(`select body->>'event' as event, count(*)::int, bool_and(applied_at is not null) as applied from provider_events where body->>'room' = '${room}' group by 1`);
    return found.some(({ event }) => event === "room_finished") && found;
  });
  const told = Object.fromEntries(hooks.map(({ event, count }) => [event, count]));
  console.log(`# webhooks of this show: ${JSON.stringify(told)}`);
  for (const event of ["room_started", "participant_joined", "track_published", "participant_left", "room_finished"]) assert.ok(told[event] >= 1, event);
  assert.ok(hooks.every(({ applied }) => applied));
  const metrics = await (await fetch(`${it.http}/metrics`)).text();
  assert.doesNotMatch(metrics, /backstage_webhooks_total\{[^}]*outcome="(forged|malformed)"/);
});
