// @ts-check
// The member's page: follows the broadcast's state by itself, plays the picture, says what is wrong and whose fault it is not.
import { Refused, call } from "./api.js";
import { aim } from "./countdown.js";
import { all, count, one, pageState, setIcon, showState, write } from "./dom.js";
import { Player } from "./player.js";
import { addTick, startFrom, wireReactions } from "./reactions.js";
import { LiveSocket, deviceName, stateOf } from "./socket.js";
import { localTime } from "./times.js";

/** A connection that is back sooner than this is not talked about. */
const QUIET_MS = 1200;
const ON_AIR = ["live", "reconnecting"];

const page = pageState();
const screen = one("[data-screen]");
let state = page.state;
let until = page.until;
let since = /** @type {string | null} */ (null);
let picture = false;
let link = "connecting";
/** @type {ReturnType<typeof setTimeout> | undefined} */
let spoken;
let retryAt = 0;
let volume = 1, muted = false;
/** Where the picture is, told to everybody, and our own way in, told to us alone. @type {any} */
let source = null;
let ticket = "";
/** Whether the engine's clock and ours differ, so that deadlines count right. */
let skew = 0;

const player = new Player({
  screen,
  loopback: page.loopback,
  onPicture: (shown) => { picture = shown; render(); },
  onMute: (blocked) => { one("[data-tap]").hidden = !blocked; },
  onQuality: (report) => socket.send({ t: "quality", ...report }),
  onWeak: (weak) => { one("[data-weak]").hidden = !weak; },
});

function render() {
  showState(state);
  const onAir = ON_AIR.includes(state);
  // Not hidden while the picture is on its way: the media library sends nothing to a screen that has no place.
  screen.hidden = !onAir;
  screen.classList.toggle("is-empty", !picture);
  one("[data-controls]").hidden = !onAir || !picture;
  one('[data-slate="waiting"]').hidden = !(state === "live" && page.picture && !picture);
  one('[data-slate="unseen"]').hidden = !(state === "live" && !page.picture);
  for (const slate of all("[data-link-slate]")) slate.hidden = slate.dataset.linkSlate !== link;
  one("[data-link-word]").textContent = link === "" ? "good" : link === "connecting" ? "connecting" : "none";
}

/** @param {string} name @param {number} [after_ms] */
function setLink(name, after_ms = 0) {
  clearTimeout(spoken);
  if (after_ms === 0) { link = name; render(); return; }
  spoken = setTimeout(() => { link = name; render(); }, after_ms);
}

/** @param {any} frame */
function takeState(frame) {
  const told = stateOf(frame);
  state = told.state;
  until = told.until;
  since = told.since;
  if (told.title) one("[data-title]").textContent = told.title;
  if (told.starts_at) { aim(one("[data-starts]"), told.starts_at); }
  if (state === "scheduled" || state === "lobby") {
    one("[data-starts]").hidden = !told.starts_at;
    one("[data-starts-head]").textContent = told.starts_at ? "Starts in" : "Starting soon";
  }
  if (state === "ended") one("[data-ended-line]").textContent = "Your pass is untouched. The next date will stand here.";
  if (state === "lobby" || ON_AIR.includes(state)) player.warm();
  if (!ON_AIR.includes(state)) player.stop();
  else play();
  tick();
  render();
}

/** @param {any} playback */
function takePlayback(playback) {
  const told = playback?.sources?.find((/** @type {any} */ one) => one.kind === "livekit") ?? null;
  if (!told) { source = null; player.stop(); return; }
  if (told.room !== source?.room || told.url !== source?.url) ticket = "";
  source = told;
  if (told.token) ticket = told.token;
  play();
}

/** Plays when everything for it has been told; a token alone renews the way in. */
function play() {
  if (source && ticket && page.picture && ON_AIR.includes(state)) player.play({ ...source, token: ticket });
}

/** @param {any} frame */
function onFrame(frame) {
  if (frame.t === "welcome") skew = Date.parse(frame.server_time) - Date.now() || 0;
  else if (frame.t === "snapshot") {
    takeState(frame);
    if (frame.audience) write("[data-audience]", count(frame.audience.now ?? 0));
    startFrom(frame.reactions?.totals ?? frame.reactions);
    takePlayback(frame.playback);
  } else if (frame.t === "state") takeState(frame);
  else if (frame.t === "audience") write("[data-audience]", count(frame.now));
  else if (frame.t === "reactions") addTick(frame.totals ?? {});
  else if (frame.t === "playback") takePlayback(frame);
  else if (frame.t === "token" && frame.kind === "livekit") { ticket = frame.token; play(); }
  else if (frame.t === "notice" && (frame.text ?? frame.message)) one("[data-notices]").textContent = frame.text ?? frame.message;
}

/** Asks why the door did not open, when the answer to the upgrade cannot be read. */
async function askWhy() {
  try {
    const access = await call("GET", `/api/v1/experiences/${page.experience}/access?device=${encodeURIComponent(socket.device)}`);
    if (access.allowed) setLink("full");
    else leave("access_ended");
  } catch (error) {
    const status = error instanceof Refused ? error.status : 0;
    if (status === 401) leave("signed_out");
    else if (status === 404) leave("gone");
    else if (status === 403) leave("access_ended");
    else if (status === 503) setLink("unknown");
    else setLink("retrying");
  }
}

/** Nobody comes back from here by themselves. @param {string} why */
function leave(why) {
  socket.stop();
  player.stop();
  setLink(why);
  if (why === "access_ended") showDoor();
}

/** The server knows best what to say at a closed door: its page takes the place of this one. */
async function showDoor() {
  try {
    const here = new URL(location.href);
    here.searchParams.set("device", socket.device); // the page cannot see by itself which device asks
    const answer = await fetch(here, { credentials: "same-origin", headers: { accept: "text/html" } });
    const door = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (!one(".door", door)) return;
    one("#main").replaceWith(document.adoptNode(one("#main", door)));
    const heading = one("#door-h");
    for (const time of all("#main time[data-local]")) time.textContent = localTime(time.dateTime, time.dataset.local);
    for (const again of all("[data-reload]")) again.addEventListener("click", (/** @type {Event} */ event) => { event.preventDefault(); location.reload(); });
    heading.tabIndex = -1;
    heading.focus();
  } catch { /* the slate that is shown already says enough */ }
}

const CLOSED = /** @type {Record<number, string>} */ ({ 4000: "", 4001: "signed_out", 4003: "access_ended", 4009: "replaced", 4410: "gone" });

/** @param {import("./socket.js").Link} told */
function onLink(told) {
  if (told.kind === "open") setLink("");
  else if (told.kind === "closed") leave(CLOSED[told.code] ?? "stopped");
  else if (told.kind === "waiting") {
    retryAt = Date.now() + told.in_ms;
    if (told.failed && told.tries >= 2 && navigator.onLine) askWhy();
    else if (told.code === 4011) setLink("unknown", QUIET_MS);
    else if (told.code === 4029) setLink("full", QUIET_MS);
    else if (link === "" || link === "connecting") setLink("retrying", QUIET_MS);
  } else if (link === "") setLink("connecting", QUIET_MS);
}

const socket = new LiveSocket({ path: page.socket, device: deviceName(), onFrame, onLink });
wireReactions((glyph) => socket.send({ t: "react", e: glyph }));

/** Seconds: how long the studio is still waited for, and when the next try is. */
function tick() {
  const secs = Math.max(0, Math.ceil((retryAt - Date.now()) / 1000));
  for (const part of all("[data-retry-in]")) part.textContent = secs > 0 ? ` in ${secs} second${secs === 1 ? "" : "s"}` : "";
  if (state !== "reconnecting" || !until) return;
  const end = Date.parse(until), now = Date.now() + skew, from = since ? Date.parse(since) : end - 60000;
  const left = Math.max(0, Math.ceil((end - now) / 1000));
  write("[data-left]", left < 100 ? left : `${Math.ceil(left / 60)} min`);
  one("[data-ring]").setAttribute("stroke-dasharray", `${Math.max(0, Math.min(100, (100 * (end - now)) / Math.max(1, end - from)))} 100`);
}
setInterval(tick, 250);

// The player's controls.
const muteButton = one("[data-mute]"), slider = one("[data-volume]"), player_box = one("[data-player]");
function sound() {
  player.setVolume(muted ? 0 : volume);
  muteButton.setAttribute("aria-pressed", String(muted));
  muteButton.setAttribute("aria-label", muted ? "Unmute" : "Mute");
  setIcon(muteButton, muted || volume === 0 ? "volume-x" : "volume-2");
}
muteButton.addEventListener("click", () => { muted = !muted; sound(); });
slider.addEventListener("input", () => { volume = Number(slider.value) / 100; muted = false; sound(); });
one("[data-tap]").addEventListener("click", async () => { await player.allowSound(); one("[data-tap]").hidden = true; });
one("[data-full]").addEventListener("click", () => (document.fullscreenElement ? document.exitFullscreen() : player_box.requestFullscreen?.()));
document.addEventListener("fullscreenchange", () => one("[data-full]").setAttribute("aria-pressed", String(Boolean(document.fullscreenElement))));
const pip = one("[data-pip]");
pip.hidden = !document.pictureInPictureEnabled;
pip.addEventListener("click", () => (document.pictureInPictureElement ? document.exitPictureInPicture() : player.video?.requestPictureInPicture()));
for (const again of all("[data-retry]")) again.addEventListener("click", () => socket.retry());

render();
socket.connect();
