// @ts-check
// Sends the creator's picture and sound to the room, swaps what is sent without a gap, and measures how it goes.
import { call } from "./api.js";

const AGAIN_MS = [500, 1000, 2000, 4000];
/** While the signal is away, the picture counts as sent as long as the other side says that it arrives; it does so every second. */
const ACKNOWLEDGED_MS = 3000;

export class Publisher {
  /** @type {any} */ #room = null;
  /** @type {any} */ #video = null;
  /** @type {any} */ #audio = null;
  /** @type {{ at: number, bytes: number, frames: number } | null} */ #before = null;
  /** When the other side last said that something arrived, by its clock and by ours. */
  #report = 0;
  #acknowledged = 0;
  #wanted = "";
  #turn = 0;
  #tries = 0;

  /** @param {{ loopback: boolean, tracks: () => { picture: MediaStreamTrack | null, sound: MediaStreamTrack | null }, onChange: () => void }} given */
  constructor(given) { this.given = given; }

  /** Whether the picture goes out now, and as far as we can know arrives. */
  get sending() {
    const { state } = this.#room ?? {};
    const arrives = state === "connected" || (state === "signalReconnecting" && performance.now() - this.#acknowledged < ACKNOWLEDGED_MS);
    return Boolean((this.#video || this.#audio) && arrives);
  }
  /** Whether it should. */
  get wanted() { return this.#wanted !== ""; }

  /** Starts to send into the room of this broadcast. @param {string} broadcast */
  async start(broadcast) {
    this.#wanted = broadcast;
    this.#tries = 0;
    await this.#join();
  }

  /** Stops sending. */
  stop() {
    this.#wanted = "";
    this.#leave();
    this.given.onChange();
  }

  /** Comes in again at once where it should send and is not inside: the room is there again. */
  comeBack() {
    if (!this.wanted || this.#room?.state === "connected") return;
    this.#leave();
    this.#tries = 0;
    this.#join().catch(() => this.#again());
  }

  #leave() {
    this.#turn += 1;
    const room = this.#room;
    this.#room = this.#video = this.#audio = this.#before = null;
    room?.disconnect(false);
  }

  async #join() {
    const turn = ++this.#turn;
    const [{ Room, RoomEvent, Track, DisconnectReason, setLogLevel }, pass] = await Promise.all([import("livekit-client"), call("POST", `/api/v1/broadcasts/${this.#wanted}/publisher-token`)]);
    if (turn !== this.#turn) return;
    setLogLevel("warn");
    const room = new Room({ adaptiveStream: false, dynacast: false, stopLocalTrackOnUnpublish: false, disconnectOnPageLeave: true });
    room.on(RoomEvent.Disconnected, (reason) => {
      if (room !== this.#room) return;
      this.#leave();
      if (reason !== DisconnectReason.PARTICIPANT_REMOVED && reason !== DisconnectReason.ROOM_DELETED && reason !== DisconnectReason.DUPLICATE_IDENTITY) this.#again();
      else this.#wanted = "";
      this.given.onChange();
    });
    room.on(RoomEvent.ConnectionStateChanged, () => { if (room === this.#room) this.given.onChange(); });
    await room.connect(pass.url, pass.token, { autoSubscribe: false, ...(this.given.loopback ? { rtcConfig: { iceServers: [] } } : {}) });
    if (turn !== this.#turn) { room.disconnect(false); return; }
    this.#room = room;
    const { picture, sound } = this.given.tracks();
    if (picture) this.#video = (await room.localParticipant.publishTrack(picture, { source: Track.Source.Camera, name: "picture", simulcast: !this.given.loopback, videoCodec: "vp8" })).track;
    if (sound) this.#audio = (await room.localParticipant.publishTrack(sound, { source: Track.Source.Microphone, name: "sound" })).track;
    this.#tries = 0;
    this.given.onChange();
  }

  #again() {
    if (!this.#wanted) return;
    const turn = ++this.#turn;
    const wait = AGAIN_MS[Math.min(this.#tries, AGAIN_MS.length - 1)];
    this.#tries += 1;
    setTimeout(() => { if (turn === this.#turn && this.#wanted) this.#join().catch(() => this.#again()); }, wait);
  }

  /** Sends what the page shows now; nobody in the room notices more than the new picture. */
  async swap() {
    const { picture, sound } = this.given.tracks();
    if (this.#video && picture && this.#video.mediaStreamTrack !== picture) await this.#video.replaceTrack(picture, true);
    if (this.#audio && sound && this.#audio.mediaStreamTrack !== sound) await this.#audio.replaceTrack(sound, true);
  }

  /** @param {"mic" | "camera"} what @param {boolean} off */
  async mute(what, off) {
    const track = what === "mic" ? this.#audio : this.#video;
    if (track) await (off ? track.mute() : track.unmute());
  }

  /** How the sending goes since the last call; `null` when nothing is sent. */
  async stats() {
    if (!this.sending) { this.#before = null; return null; }
    const report = await (this.#video ?? this.#audio)?.getRTCStatsReport?.();
    let bytes = 0, frames = 0, width = 0, height = 0, loss = 0, rtt = 0;
    report?.forEach((/** @type {any} */ row) => {
      if (row.type === "outbound-rtp") {
        bytes += row.bytesSent ?? 0;
        if ((row.frameHeight ?? 0) >= height) { width = row.frameWidth ?? 0; height = row.frameHeight ?? 0; frames = row.framesEncoded ?? 0; }
      }
      if (row.type === "remote-inbound-rtp") {
        if (row.timestamp > this.#report) { this.#report = row.timestamp; this.#acknowledged = performance.now(); }
        loss = Math.max(loss, row.fractionLost ?? 0); rtt = Math.max(rtt, row.roundTripTime ?? 0);
      }
    });
    const now = performance.now(), before = this.#before;
    this.#before = { at: now, bytes, frames };
    if (!before) return null;
    const secs = Math.max(0.001, (now - before.at) / 1000);
    return {
      bitrate_bits: Math.max(0, Math.round(((bytes - before.bytes) * 8) / secs)),
      fps: Math.max(0, Math.round(((frames - before.frames) / secs) * 10) / 10),
      loss_ratio: Math.min(1, Math.max(0, loss)),
      rtt_ms: Math.round(rtt * 1000),
      width,
      height,
    };
  }
}
