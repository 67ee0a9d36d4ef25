// A real media server dies in the middle of a show: everybody is told, nobody is sent away, and the picture comes back by itself.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { engine } from "./engine.mjs";
import { browser, until } from "./house.mjs";
import { ROOM, STUDIO, end, frames, goLive, somebody } from "./show.mjs";

/** Rule: told within five seconds, seen again within fifteen. */
const TOLD_MS = 5000, BACK_MS = 15_000;

let chrome, it;
before(async () => { [chrome, it] = await Promise.all([browser(), engine()]); });
after(async () => { await chrome?.close(); await it?.stop(); });

/** Kills the media server this often, each time as soon as it was started again; when it was killed last. */
async function kill(times) {
  let last = 0;
  for (let n = 0; n < times; n += 1) {
    await until("a media server to kill", () => it.mediaPid() !== last, 20_000);
    last = it.mediaPid();
    process.kill(last, "SIGKILL");
  }
  return Date.now();
}

/** A show with one viewer, whose media server is killed; what the viewer was told from then on. */
async function outage(times) {
  const [creator, member] = [await somebody(chrome, it, "creator", STUDIO), await somebody(chrome, it, "member", ROOM)];
  await goLive(creator.page);
  await until("a picture", () => frames(member.page), 10_000);
  const broadcast = member.heard.frames.findLast((frame) => frame.state === "live");
  const began = Date.now();
  const killed = await kill(times);
  const told = await until("that something is wrong", () => member.heard.frames.find((frame) => frame.at >= began && frame.degraded), TOLD_MS);
  const token = await until("a new way in", () => member.heard.frames.find((frame) => frame.at >= killed && frame.t === "token"), BACK_MS);
  const live = await until("live again", () => member.heard.frames.find((frame) => frame.at >= token.at && frame.state === "live" && !frame.degraded), BACK_MS);
  const left = () => killed + BACK_MS - Date.now();
  const first = await until("a picture again", async () => Date.now() > token.at && (await frames(member.page)), left());
  await until("it moves", async () => (await frames(member.page)) > first + 5, left());
  const back = Date.now();
  console.log(`# told ${told.at - began} ms after the first kill; new way in ${token.at - killed} ms, live ${live.at - killed} ms, picture moves ${back - killed} ms after the last one`);

  assert.ok(told.at - began <= TOLD_MS && back - killed <= BACK_MS);
  assert.equal(live.since > broadcast.since || live.since === broadcast.since, true);
  const since = member.heard.frames.filter((frame) => frame.at >= began && frame.t === "state");
  assert.ok(since.every(({ state }) => state === "live" || state === "reconnecting"), JSON.stringify(since));
  // Said once each: a page that believes its own dead connection would make the state flap.
  assert.ok(since.filter(({ state }) => state === "reconnecting").length <= 2, JSON.stringify(since));
  assert.deepEqual([...member.heard.closed, ...creator.heard.closed], [], "no socket was closed");
  const [{ count }] = it.sql("select count(*) from broadcasts where ended_at is null");
  assert.equal(count, 1, "the same broadcast goes on");
  await end(creator.page);
  await Promise.all([creator.leave(), member.leave()]);
}

test("survive_042: a media server that is killed in the middle of a show is back with the picture within fifteen seconds", () => outage(1));

test("survive_042: the same when it dies again and again before it stays", () => outage(5));
