// @ts-check
// The creator's own camera, microphone and screen: a preview that never leaves this page by itself, and a meter.

const CAMERA = { width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 30 } };
const SCREEN = { video: { frameRate: { ideal: 15 } }, audio: false };
const LEVEL_EVERY_MS = 80;

/** What to do about a device that cannot be had, in words. @param {any} error */
export function deviceWords(error) {
  if (error?.name === "NotAllowedError") return "The browser may not use the camera. Allow it beside the address, then turn it on again.";
  if (error?.name === "NotFoundError") return "No camera or microphone is connected. Plug one in, then turn it on again.";
  if (error?.name === "NotReadableError") return "Another program holds the camera. Close it there, then turn it on again.";
  return "The camera did not start. Turn it on again, or choose another one.";
}

export class Camera {
  /** @type {MediaStreamTrack | null} */ camera = null;
  /** @type {MediaStreamTrack | null} */ mic = null;
  /** @type {MediaStreamTrack | null} */ screen = null;
  /** @type {AudioContext | null} */ #audio = null;
  /** @type {MediaStreamAudioSourceNode | null} */ #heard = null;
  /** @type {ReturnType<typeof setInterval> | undefined} */ #meter;

  /** @param {{ onChange: () => void, onLevel: (level: number) => void }} given `level` goes from 0 to 1 */
  constructor({ onChange, onLevel }) {
    this.onChange = onChange;
    this.onLevel = onLevel;
    navigator.mediaDevices?.addEventListener("devicechange", () => onChange());
  }

  /** What is shown: the screen while it is shared, else the camera. */
  get picture() { return this.screen ?? this.camera; }

  /** Turns camera and microphone on; without a camera, the microphone alone. */
  async start() {
    if (!navigator.mediaDevices) throw Object.assign(new Error("no devices"), { name: "NotFoundError" });
    let stream;
    try {
      stream = await navigator.mediaDevices.getUserMedia({ video: CAMERA, audio: true });
    } catch (error) {
      if (/** @type {any} */ (error).name !== "NotFoundError") throw error;
      stream = await navigator.mediaDevices.getUserMedia({ video: CAMERA }).catch(() => navigator.mediaDevices.getUserMedia({ audio: true }));
    }
    this.camera = stream.getVideoTracks()[0] ?? null;
    this.#listen(stream.getAudioTracks()[0] ?? null);
    this.onChange();
  }

  /** @param {"videoinput" | "audioinput"} kind @param {string} id */
  async choose(kind, id) {
    const video = kind === "videoinput";
    const stream = await navigator.mediaDevices.getUserMedia(video ? { video: { ...CAMERA, deviceId: { exact: id } } } : { audio: { deviceId: { exact: id } } });
    const track = stream.getTracks()[0];
    if (video) {
      if (this.camera) { track.enabled = this.camera.enabled; this.camera.stop(); }
      this.camera = track;
    } else {
      if (this.mic) { track.enabled = this.mic.enabled; this.mic.stop(); }
      this.#listen(track);
    }
    this.onChange();
  }

  /** Shares a screen, or stops sharing it. */
  async toggleScreen() {
    if (this.screen) { this.screen.stop(); this.screen = null; this.onChange(); return; }
    const stream = await navigator.mediaDevices.getDisplayMedia(SCREEN);
    const track = stream.getVideoTracks()[0];
    track.addEventListener("ended", () => { if (this.screen === track) { this.screen = null; this.onChange(); } });
    this.screen = track;
    this.onChange();
  }

  /** @param {"videoinput" | "audioinput"} kind */
  async devices(kind) {
    const all = await navigator.mediaDevices?.enumerateDevices() ?? [];
    return all.filter((device) => device.kind === kind && device.deviceId);
  }

  /** @param {MediaStreamTrack | null} track */
  #listen(track) {
    this.mic = track;
    clearInterval(this.#meter);
    this.#heard?.disconnect();
    if (!track) return;
    this.#audio ??= new AudioContext();
    this.#audio.resume();
    const ear = this.#audio.createAnalyser();
    ear.fftSize = 1024;
    this.#heard = this.#audio.createMediaStreamSource(new MediaStream([track]));
    this.#heard.connect(ear);
    const wave = new Float32Array(ear.fftSize);
    this.#meter = setInterval(() => {
      ear.getFloatTimeDomainData(wave);
      const power = Math.sqrt(wave.reduce((sum, x) => sum + x * x, 0) / wave.length);
      // From silence at -60 dB to as loud as it gets at 0 dB.
      this.onLevel(track.enabled ? Math.max(0, Math.min(1, (20 * Math.log10(power + 1e-6) + 60) / 60)) : 0);
    }, LEVEL_EVERY_MS);
  }
}
