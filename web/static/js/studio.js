// @ts-check
// The live studio: says who can see and hear the creator now, runs the broadcast, sends the picture, tells how it goes.
import { call } from "./api.js";
import { Camera, deviceWords } from "./camera.js";
import { aim } from "./countdown.js";
import { all, count, make, one, pageState, setIcon, showState, write } from "./dom.js";
import { Publisher } from "./publisher.js";
import { startFrom, addTick, sum } from "./reactions.js";
import { LiveSocket, deviceName, stateOf } from "./socket.js";
import { spark } from "./spark.js";
import { localTime, localiseTimes } from "./times.js";
import { toast } from "./toast.js";

/** How often the engine hears how the sending goes; its coming at all is the studio's heartbeat. */
const STATS_EVERY_MS = 2000;
const QUIET_MS = 1200;
/** After this long without a word about the picture nothing is known of it. */
const HEALTH_FRESH_MS = 15000;
const OVER = ["offline", "ended", "cancelled"];
const ON_AIR = ["live", "reconnecting"];
const REASONS = /** @type {Record<string, string>} */ ({
  no_media: "Nothing arrives from you.",
  low_bitrate: "Your upload is thin. A cable instead of wireless helps most.",
  low_fps: "Few pictures a second. Close other programs, or share a smaller screen.",
  packet_loss: "Much is lost on the way. Close other uploads, or move closer to the router.",
  high_rtt: "The way to us is long. Another network may be faster.",
  frozen: "Your picture stands still.",
  viewers_stall: "Several viewers see it stall.",
});

const page = pageState();
let broadcast = page.broadcast;
let state = broadcast?.state ?? one("[data-truth]").className.match(/truth--(\w+)/)?.[1] ?? "offline";
let until = broadcast?.until ?? null, liveAt = broadcast?.live_at ?? null, startsAt = broadcast?.scheduled_at ?? null;
/** Distinct people, as far as the engine has told; somebody on two devices is one. @type {number | null} */
let users = null;
let audience = Number(one("[data-audience]").textContent.replace(/\D/g, "")) || 0;
let peak = Number(one("[data-peak]").textContent.replace(/\D/g, "")) || 0;
let retryAt = 0, skew = 0, busy = false;
let connected = false, healthAt = 0;
/** The engine has just said that the room is gone. */
let roomGone = false;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let linkTimer;

const drawBitrate = spark(one('[data-spark="bitrate"]')), drawAudience = spark(one('[data-spark="audience"]'));
const preview = one("[data-preview]");
const camera = new Camera({ onChange: showDevices, onLevel: showLevel });
const publisher = new Publisher({ loopback: page.loopback, tracks: () => ({ picture: camera.picture, sound: camera.mic }), onChange: publisherChanged });

let sent = false;
/** The engine hears at once that a picture goes out: were this page to die now, nobody else would tell that it is gone. */
function publisherChanged() {
  if (publisher.sending && !sent) socket.send({ t: "stats", publishing: true });
  sent = publisher.sending;
  render();
}

/** @param {string} words */
const problem = (words) => { one("[data-command-problem]").textContent = words; };
const heads = () => users ?? audience;
const people = () => (heads() === 1 ? "1 person" : `${count(heads())} people`);

function sayTruth() {
  if (state === "live") {
    if (publisher.sending) return [`${people()} ${heads() === 1 ? "sees and hears" : "see and hear"} you`, "Everybody with a pass who opens the page is with you."];
    return [`${people()} ${heads() === 1 ? "waits" : "wait"} for your picture`, page.picture ? "The room is live, and nothing comes from this page. Send your picture." : "The room is live. This engine runs with a stand-in for the media server, so nothing can be seen."];
  }
  if (state === "reconnecting") return ["Your picture is gone. The room waits.", `${people()} ${heads() === 1 ? "sees" : "see"} a slate that says it is not their line. Come back and it goes on as one broadcast.`];
  if (state === "lobby") return [publisher.sending ? "Backstage: your picture arrives, nobody sees it" : "Nobody can see or hear you", `${people()} ${heads() === 1 ? "is" : "are"} waiting. They see the countdown.`];
  if (state === "scheduled") return ["Nobody can see or hear you", "The lobby opens by itself before the start, or when you open it."];
  if (state === "ended") return ["Nobody can see or hear you", "It is over. You can start the next one any time."];
  return ["Nobody can see or hear you", "Check your picture below, then open the lobby."];
}

function render() {
  showState(state);
  one("[data-truth]").className = `truth truth--${state}`;
  const [say, more] = sayTruth();
  write("[data-say]", say);
  write("[data-say-more]", more);
  write("[data-audience]", count(audience));
  write("[data-peak]", count(peak));
  write("[data-heads]", count(heads()));
  write("[data-people]", heads() === 1 ? "person" : "people");
  const clock = one("[data-start-clock]");
  clock.hidden = !(startsAt && (state === "scheduled" || state === "lobby"));
  if (startsAt) { aim(clock, startsAt); write("[data-start-at]", `until ${localTime(startsAt, "time")}`); one("[data-plan-at]").textContent = localTime(startsAt, "full"); }
  const send = one("[data-publish]");
  if (send) {
    if (!page.picture) send.hidden = true;
    write("[data-publish-word]", publisher.wanted ? "Stop sending my picture" : "Send my picture");
  }
  const auto = one("[data-auto-line]");
  if (auto) auto.hidden = !(state === "lobby" && page.picture);
  write("[data-preview-word]", publisher.sending && state === "live" ? "What they see" : publisher.sending ? "Sent, not shown yet" : "Only you see this");
  setIcon(one("[data-preview-chip]"), publisher.sending && state === "live" ? "eye" : "eye-off");
}

/** @param {any} frame */
function takeState(frame) {
  const told = stateOf(frame), was = state;
  state = told.state;
  until = told.until;
  startsAt = told.starts_at ?? (state === "scheduled" || state === "lobby" ? startsAt : null);
  if (told.live_at) liveAt = told.live_at;
  else if (state === "live" && was !== "live" && was !== "reconnecting") liveAt = told.since ?? new Date(Date.now() + skew).toISOString();
  if (told.id) broadcast = { ...(broadcast ?? {}), id: told.id };
  if (OVER.includes(state)) { publisher.stop(); broadcast = null; }
  if (state === "reconnecting" && was !== state) showHealth({});
  if (OVER.includes(state) && ON_AIR.includes(was)) refreshPast();
  render();
}

/** The server prints the list of earlier broadcasts; fetch it again when one more is over. */
async function refreshPast() {
  try {
    const fresh = new DOMParser().parseFromString(await (await fetch(location.href, { credentials: "same-origin" })).text(), "text/html");
    const now = one("#past-h")?.closest("section"), then = one("#past-h", fresh)?.closest("section");
    if (now && then) { now.replaceWith(document.adoptNode(then)); localiseTimes(); }
  } catch { /* the list is right after the next load */ }
}

/** @param {any} frame */
function showHealth(frame) {
  healthAt = Date.now();
  const health = frame.health ?? frame;
  const known = typeof health.score === "number" && state !== "reconnecting";
  write("[data-health-score]", known ? `${health.score} of 100` : "unknown");
  const reasons = (known ? health.reasons ?? [] : []).map((/** @type {string} */ code) => REASONS[code] ?? code);
  write("[data-health-say]", state === "reconnecting" ? "Nothing arrives from you just now." : !known ? "Unknown. We have heard nothing from your picture for a while." : health.score >= 80 ? "Good. What you send arrives." : health.score >= 50 ? "Rough. It arrives, with gaps." : "Poor. People see it stutter.");
  one("[data-health-reasons]").replaceChildren(...reasons.map((/** @type {string} */ words) => make("li", "", words)));
}

/** @param {any} frame */
function onFrame(frame) {
  if (frame.t === "welcome") skew = Date.parse(frame.server_time) - Date.now() || 0;
  else if (frame.t === "snapshot") {
    takeState(frame);
    if (frame.audience) takeAudience(frame.audience);
    startFrom(frame.reactions?.totals ?? frame.reactions);
  } else if (frame.t === "state") takeState(frame);
  else if (frame.t === "audience") takeAudience(frame);
  else if (frame.t === "reactions") { addTick(frame.totals ?? {}); write("[data-hearts]", count(sum())); }
  else if (frame.t === "playback") takePlayback(frame);
  else if (frame.t === "health") showHealth(frame);
  else if (frame.t === "notice" && (frame.text ?? frame.message)) one("[data-notices]").textContent = frame.text ?? frame.message;
}

/** A media server that was started again has lost the room: when it is there again, the picture goes into the new one. @param {any} told */
function takePlayback(told) {
  const there = told.sources?.length > 0;
  if (there && roomGone) publisher.comeBack();
  roomGone = !there;
}

/** @param {any} told */
function takeAudience(told) {
  audience = told.now ?? audience;
  users = told.users ?? users;
  peak = told.peak ?? Math.max(peak, audience);
  drawAudience(audience);
  render();
}

/** @param {import("./socket.js").Link} told */
function onLink(told) {
  clearTimeout(linkTimer);
  connected = told.kind === "open";
  const lost = one("[data-link-notice]");
  if (connected) lost.hidden = true;
  else if (told.kind === "closed") closed(told.code, told.reason);
  else linkTimer = setTimeout(() => { lost.hidden = false; }, QUIET_MS);
  if (told.kind === "waiting") retryAt = Date.now() + told.in_ms;
  check("engine", connected, connected ? "Up" : "Trying to reach it");
}

/** @param {number} code @param {string} reason */
function closed(code, reason) {
  one("[data-link-notice]").hidden = true;
  const notice = one("[data-closed-notice]");
  const words = /** @type {Record<number, [string, string]>} */ ({
    4001: ["You were signed out", "Sign in again and this page is as it was."],
    4003: ["You may not run this broadcast any more", `The team changed your role. The reason on the wire: ${reason}.`],
    4009: ["The studio is open in another window", "Go on there, or reload this page to take over."],
    4410: ["This room is not there any more", "It was taken away. Your other rooms are under Rooms and passes."],
  })[code] ?? ["The connection was closed", "Reload the page to come back."];
  write("[data-closed-title]", words[0]);
  write("[data-closed-text]", words[1]);
  notice.hidden = false;
  if (code !== 4009) publisher.stop();
}

const socket = new LiveSocket({ path: page.socket, device: deviceName(), onFrame, onLink });

// Commands ------------------------------------------------------------------------------------------------------------

/** The open broadcast, made when there is none. @param {object} [plan] */
async function opened(plan = {}) {
  if (broadcast?.id) return broadcast;
  try {
    broadcast = await call("POST", `/api/v1/experiences/${page.experience}/broadcasts`, plan);
  } catch (error) {
    const first = /** @type {any} */ (error).body;
    if (/** @type {any} */ (error).code !== "broadcast_open") throw error;
    broadcast = await call("GET", `/api/v1/broadcasts/${first.broadcast_id ?? first.broadcast?.id ?? first.id}`);
  }
  return broadcast;
}

/** @param {any} told */
function takeBroadcast(told) {
  if (!told?.state) return;
  takeState({ state: told.state, since: told.since, until: told.until, starts_at: told.scheduled_at, broadcast: told });
}

/** @param {string} what */
async function command(what) {
  if (busy) return;
  busy = true;
  problem("");
  for (const button of all(`[data-command="${what}"]`)) { button.setAttribute("aria-busy", "true"); button.closest("dialog")?.close(); }
  try {
    const { id } = await opened();
    const ready = Boolean(page.picture && (camera.picture || camera.mic));
    // From the lobby the picture goes first, so that it is there the moment people look.
    if (what === "go-live" && state === "lobby" && ready && !publisher.sending) await publisher.start(id);
    takeBroadcast(await call("POST", `/api/v1/broadcasts/${id}/${what}`));
    if (what === "go-live" && ready && !publisher.sending) await publisher.start(id);
  } catch (error) {
    problem(/** @type {Error} */ (error).message);
    if (what === "go-live" && !publisher.sending) publisher.stop();
  } finally {
    busy = false;
    for (const button of all(`[data-command="${what}"]`)) button.removeAttribute("aria-busy");
    render();
  }
}
document.addEventListener("click", (event) => {
  const button = /** @type {Element} */ (event.target).closest("[data-command]");
  if (button instanceof HTMLElement) command(button.dataset.command ?? "");
});

one("[data-publish]")?.addEventListener("click", async () => {
  problem("");
  if (publisher.wanted) { publisher.stop(); return; }
  try {
    if (!camera.picture && !camera.mic) await turnOn();
    if (camera.picture || camera.mic) await publisher.start((await opened()).id);
  } catch (error) {
    publisher.stop();
    problem(/** @type {any} */ (error).status !== undefined ? /** @type {Error} */ (error).message : "Your picture could not be sent: the media server did not answer. Press the button again in a moment.");
  }
  render();
});

one("[data-plan]")?.addEventListener("submit", async (/** @type {SubmitEvent} */ event) => {
  event.preventDefault();
  const form = /** @type {any} */ (event.target), told = one("[data-problem]", form);
  told.textContent = "";
  try {
    const title = form.elements.title.value.trim();
    broadcast = await call("POST", `/api/v1/experiences/${page.experience}/broadcasts`, { scheduled_at: new Date(form.elements.scheduled_at.value).toISOString(), ...(title ? { title } : {}) });
    if (broadcast.title) one("[data-plan-title]").textContent = broadcast.title;
    takeBroadcast(broadcast);
    form.reset();
    toast("Planned. It stands on the public page.");
  } catch (error) {
    told.textContent = /** @type {Error} */ (error).message;
  }
});

// Devices -------------------------------------------------------------------------------------------------------------

async function turnOn() {
  one("[data-preview-problem]").textContent = "";
  try { await camera.start(); } catch (error) { one("[data-preview-problem]").textContent = deviceWords(error); }
}
one("[data-start-preview]").addEventListener("click", turnOn);

/** @param {string} name @param {boolean} fine @param {string} words */
function check(name, fine, words) {
  const row = one(`[data-check="${name}"]`);
  one("span", row).className = fine ? "ok" : "no";
  setIcon(row, fine ? "circle-check" : "circle-alert");
  one("[data-check-word]", row).textContent = words;
  const open = all("[data-check] .no").length, badge = one("[data-ready]");
  badge.className = open ? "badge badge--warn" : "badge badge--good";
  badge.textContent = open === 0 ? "All set" : `${open} ${open === 1 ? "thing" : "things"} to look at`;
}

async function showDevices() {
  const picture = camera.picture;
  preview.srcObject = picture ? new MediaStream([picture]) : null;
  preview.hidden = !picture;
  preview.classList.toggle("mirror", picture === camera.camera);
  one("[data-preview-slate]").hidden = Boolean(picture);
  if (picture) preview.play().catch(() => {});
  const { width = 0, height = 0, frameRate = 0 } = camera.camera?.getSettings() ?? {};
  check("camera", Boolean(camera.camera), camera.camera ? `${width} × ${height}, ${Math.round(frameRate)} pictures a second` : "Not on yet");
  check("mic", Boolean(camera.mic), camera.mic ? "On. Say something and watch the bars." : "Not on yet");
  const toggles = /** @type {[string, MediaStreamTrack | null, string, string, string, string][]} */ ([
    ["mic", camera.mic, "mic", "mic-off", "Mute", "Muted"], ["camera", camera.camera, "video", "video-off", "Camera off", "Camera is off"]]);
  for (const [name, track, on, off, does, did] of toggles) {
    const button = one(`[data-toggle="${name}"]`), is = track ? !track.enabled : false;
    button.disabled = !track;
    button.setAttribute("aria-pressed", String(is));
    setIcon(button, is ? off : on);
    one("span", button).textContent = is ? did : does;
  }
  const share = one('[data-toggle="screen"]');
  share.setAttribute("aria-pressed", String(Boolean(camera.screen)));
  one("span", share).textContent = camera.screen ? "Stop the screen" : "Share screen";
  for (const select of all("[data-device]")) {
    const kind = select.dataset.device, track = kind === "videoinput" ? camera.camera : camera.mic;
    const devices = track ? await camera.devices(kind) : [];
    if (!devices.length) continue;
    const using = track?.getSettings().deviceId;
    select.replaceChildren(...devices.map((d, i) => new Option(d.label || `${kind === "videoinput" ? "Camera" : "Microphone"} ${i + 1}`, d.deviceId, false, d.deviceId === using)));
    select.disabled = false;
  }
  await publisher.swap().catch(() => problem("The new picture could not be sent. The old one goes on."));
  render();
}
for (const select of all("[data-device]")) select.addEventListener("change", () => camera.choose(select.dataset.device, select.value).catch((error) => { one("[data-preview-problem]").textContent = deviceWords(error); }));

/** @param {string} what */
async function toggle(what) {
  if (what === "screen") {
    await camera.toggleScreen().catch((error) => { if (error.name !== "NotAllowedError") problem("The screen cannot be shared from this browser."); });
    return;
  }
  const track = what === "mic" ? camera.mic : camera.camera;
  if (!track) return;
  const off = track.enabled;
  track.enabled = !off;
  await publisher.mute(/** @type {any} */ (what), off && !(what === "camera" && camera.screen));
  showDevices();
}
for (const button of all("[data-toggle]")) button.addEventListener("click", () => toggle(button.dataset.toggle));
// With Alt, so that nobody who dictates presses them by a word.
document.addEventListener("keydown", (event) => {
  if (!event.altKey || event.ctrlKey || event.metaKey) return;
  const what = { KeyM: "mic", KeyV: "camera", KeyS: "screen" }[event.code];
  if (what) { event.preventDefault(); toggle(what); }
});

let lastWord = 0;
/** @param {number} level */
function showLevel(level) {
  const bars = all("[data-level] i"), lit = Math.round(level * bars.length);
  bars.forEach((bar, i) => { bar.className = i < lit ? (i >= bars.length - 3 ? "hot" : "on") : ""; });
  if (performance.now() - lastWord < 1500) return;
  lastWord = performance.now();
  write("[data-level-word]", !camera.mic?.enabled ? "muted" : level < 0.12 ? "very quiet" : level > 0.9 ? "too loud" : "clear, not too loud");
}

// Every second the clocks, every two the figures ---------------------------------------------------------------------

setInterval(() => {
  const now = Date.now() + skew, secs = Math.max(0, Math.ceil((retryAt - Date.now()) / 1000));
  for (const part of all("[data-retry-in]")) part.textContent = secs ? ` in ${secs} second${secs === 1 ? "" : "s"}` : "";
  if (state === "reconnecting" && until) write("[data-left]", Math.max(0, Math.ceil((Date.parse(until) - now) / 1000)));
  if (healthAt && Date.now() - healthAt > HEALTH_FRESH_MS) showHealth({});
  if (ON_AIR.includes(state) && liveAt) {
    const on = Math.max(0, Math.floor((now - Date.parse(liveAt)) / 1000));
    write("[data-since]", [on / 3600, (on / 60) % 60, on % 60].map((n) => String(Math.floor(n)).padStart(2, "0")).join(":"));
  }
}, 500);

setInterval(async () => {
  const stats = await publisher.stats().catch(() => null);
  socket.send(stats ? { t: "stats", publishing: true, ...stats } : { t: "stats", publishing: publisher.sending });
  if (!stats) return;
  drawBitrate(stats.bitrate_bits);
  write('[data-stat="picture"]', stats.height ? `${stats.width} × ${stats.height}, ${stats.fps} a second` : "sound only");
  write('[data-stat="bitrate"]', `${(stats.bitrate_bits / 1e6).toFixed(1)} Mbit/s`);
  write('[data-stat="loss"]', `${(stats.loss_ratio * 100).toFixed(1)} %`);
  write('[data-stat="rtt"]', `${stats.rtt_ms} ms`);
}, STATS_EVERY_MS);

addEventListener("beforeunload", (event) => { if (publisher.sending && ON_AIR.includes(state)) event.preventDefault(); });
render();
socket.connect();
