// @ts-check
// Plays the room's picture through the media server; knows when it stands still, and says so.

/** A picture without a new frame for this long stands still. */
const FROZEN_AFTER_MS = 2000;
const LOOK_EVERY_MS = 500;
/** While it stands still, it is told again this often; otherwise how the picture does is told this often. */
const TELL_FROZEN_MS = 2000;
const TELL_EVERY_MS = 10000;
/** Waits between tries to reach the media server. */
const AGAIN_MS = [300, 800, 1500, 3000, 5000];

/** @typedef {{ url: string, room?: string, token: string }} Source */

export class Player {
  /** @type {any} */ #kit = null;
  /** @type {any} */ #room = null;
  /** @type {Source | null} */ #source = null;
  /** The newest token, for coming in again. */ #token = "";
  #wanted = false;
  #joining = 0;
  #tries = 0;
  #volume = 1;
  /** @type {any} */ #video = null;
  /** @type {any} */ #publication = null;
  #framed = 0;
  #started = 0;
  #stalls = 0;
  #frozen = false;
  #told = 0;
  #first = true;

  /**
   * @param {{ screen: HTMLElement, loopback: boolean, onPicture: (shown: boolean) => void, onMute: (blocked: boolean) => void,
   *   onQuality: (report: object) => void, onWeak: (weak: boolean) => void }} given
   */
  constructor(given) {
    this.given = given;
    setInterval(() => this.#look(), LOOK_EVERY_MS);
  }

  /** Loads the media library before it is needed. */
  async warm() {
    if (!this.#kit) {
      this.#kit = await import("livekit-client");
      this.#kit.setLogLevel("warn");
    }
    return this.#kit;
  }

  /** Plays this source; the same room again only renews the token. @param {Source} source */
  async play(source) {
    const same = this.#source?.url === source.url && this.#source?.room === source.room;
    const fresh = source.token !== this.#token;
    this.#source = source;
    this.#token = source.token;
    this.#wanted = true;
    // The same room: whoever is inside or on the way stays; who was sent out comes back with a fresh token only.
    if (same && (this.#room || !fresh)) return;
    this.#tries = 0;
    await this.#join();
  }

  /** Leaves the room and shows nothing. */
  stop() {
    this.#wanted = false;
    this.#source = null;
    this.#leave();
  }

  /** @param {number} volume 0 to 1 */
  setVolume(volume) {
    this.#volume = volume;
    for (const who of this.#room?.remoteParticipants.values() ?? []) who.setVolume(volume);
  }

  /** Lets sound play, from within a press. */
  allowSound() { return this.#room?.startAudio(); }

  /** The element that shows the picture. */
  get video() { return this.#video; }

  #leave() {
    this.#joining += 1;
    const room = this.#room;
    this.#room = null;
    this.#dropVideo();
    this.given.screen.replaceChildren();
    room?.disconnect();
  }

  #dropVideo() {
    this.#video = null;
    this.#publication = null;
    this.#frozen = false;
    this.given.onPicture(false);
  }

  async #join() {
    const turn = ++this.#joining;
    const { Room, RoomEvent, DisconnectReason } = await this.warm();
    if (turn !== this.#joining || !this.#wanted || !this.#source) return;
    const room = new Room({ adaptiveStream: true, disconnectOnPageLeave: true });
    this.#room?.disconnect();
    this.#room = room;
    this.#started = performance.now();
    this.#first = true;
    room
      .on(RoomEvent.TrackSubscribed, (/** @type {any} */ track, /** @type {any} */ publication, /** @type {any} */ who) => { if (room === this.#room) this.#attach(track, publication, who); })
      .on(RoomEvent.TrackUnsubscribed, (/** @type {any} */ track, /** @type {any} */ publication) => {
        for (const part of track.detach()) part.remove();
        if (room === this.#room && publication === this.#publication) this.#dropVideo();
      })
      .on(RoomEvent.AudioPlaybackStatusChanged, () => { if (room === this.#room) this.given.onMute(!room.canPlaybackAudio); })
      .on(RoomEvent.ConnectionQualityChanged, (/** @type {string} */ quality, /** @type {any} */ who) => { if (who === room.localParticipant) this.given.onWeak(quality === "poor"); })
      .on(RoomEvent.Disconnected, (/** @type {number} */ reason) => {
        if (room !== this.#room) return;
        this.#leave();
        // Sent away, or taken over by the same device elsewhere: only the engine's next word brings us back.
        const sent = [DisconnectReason.PARTICIPANT_REMOVED, DisconnectReason.DUPLICATE_IDENTITY, DisconnectReason.ROOM_DELETED].includes(reason);
        if (!sent) this.#again();
      });
    try {
      await room.connect(this.#source.url, this.#token, { autoSubscribe: true, ...(this.given.loopback ? { rtcConfig: { iceServers: [] } } : {}) });
      if (room !== this.#room) { room.disconnect(); return; }
      this.#tries = 0;
      this.given.onMute(!room.canPlaybackAudio);
      this.setVolume(this.#volume);
    } catch {
      if (room === this.#room) { this.#leave(); this.#again(); }
    }
  }

  #again() {
    if (!this.#wanted) return;
    const turn = ++this.#joining;
    const wait = AGAIN_MS[Math.min(this.#tries, AGAIN_MS.length - 1)] * (0.5 + Math.random());
    this.#tries += 1;
    setTimeout(() => { if (turn === this.#joining) this.#join(); }, wait);
  }

  /** @param {any} track @param {any} publication @param {any} who */
  #attach(track, publication, who) {
    const part = track.attach();
    part.removeAttribute("style");
    if (track.kind !== "video") { who.setVolume(this.#volume); this.given.screen.append(part); return; }
    part.muted = true;
    part.playsInline = true;
    this.given.screen.querySelector("video")?.remove();
    this.given.screen.append(part);
    this.#video = part;
    this.#publication = publication;
    this.#framed = performance.now();
    const seen = () => {
      if (this.#video !== part) return;
      this.#framed = performance.now();
      if (this.#first) {
        this.#first = false;
        this.#tell({ join_ms: Math.round(this.#framed - this.#started), frozen: false });
        this.given.onPicture(true);
      } else if (part.dataset.shown !== "yes") this.given.onPicture(true);
      part.dataset.shown = "yes";
      part.requestVideoFrameCallback(seen);
    };
    part.requestVideoFrameCallback(seen);
  }

  /** Whether the picture moves; a hidden page and a camera that was switched off stand still lawfully. */
  #look() {
    const now = performance.now();
    if (!this.#video || document.visibilityState !== "visible" || this.#publication?.isMuted) { this.#framed = now; return; }
    const frozen = now - this.#framed >= FROZEN_AFTER_MS;
    if (frozen && !this.#frozen) this.#stalls += 1;
    const changed = frozen !== this.#frozen;
    this.#frozen = frozen;
    if (changed || now - this.#told >= (frozen ? TELL_FROZEN_MS : TELL_EVERY_MS)) this.#tell({ frozen, stalls: this.#stalls });
  }

  /** @param {object} report */
  #tell(report) {
    this.#told = performance.now();
    this.#stalls = 0;
    this.given.onQuality(report);
  }
}
