// @ts-check
// The live socket: one snapshot, then numbered frames; comes back to its place by itself, and knows when not to.

const SUBPROTOCOL = "backstage.v1";
/** Waits between tries grow from the first to the second, each drawn evenly from nothing to that (full jitter). */
const BACKOFF_MS = { first: 500, longest: 15000 };
/** Who was told to slow down waits at least this long. */
const SLOW_DOWN_MS = 5000;
/** A socket that does not open in this time is given up. */
const OPEN_WITHIN_MS = 10000;
/** After this many heartbeats without a word from the engine the connection counts as lost. */
const SILENT_BEATS = 2.5;
/** Close codes after which nobody comes back by themselves. */
const FINAL = new Set([4000, 4001, 4003, 4009, 4400, 4410, 1002, 1007, 1009]);
/** Kinds that are numbered one after the other; the others carry the latest number or none. */
const NUMBERED = new Set(["state", "stage", "notice", "playback"]);

/** The device's own name, the same in every tab of this browser. */
export function deviceName() {
  try {
    const kept = localStorage.getItem("backstage.device");
    if (kept) return kept;
    const made = crypto.randomUUID();
    localStorage.setItem("backstage.device", made);
    return made;
  } catch {
    return crypto.randomUUID();
  }
}

/**
 * @typedef {{ kind: "connecting" } | { kind: "open" } | { kind: "waiting", in_ms: number, code: number, failed: boolean, tries: number }
 *   | { kind: "closed", code: number, reason: string }} Link
 */

export class LiveSocket {
  /** @type {WebSocket | null} */ #socket = null;
  /** @type {{ session: string, secret: string } | null} */ #place = null;
  #epoch = 0;
  #offset = 0;
  #synced = false;
  #tries = 0;
  #heard = 0;
  #beat_ms = 25000;
  /** @type {any} */ #bye = null;
  #over = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #timer;
  /** @type {ReturnType<typeof setInterval> | undefined} */ #pulse;

  /** @param {{ path: string, device: string, onFrame: (frame: any) => void, onLink: (link: Link) => void }} given */
  constructor({ path, device, onFrame, onLink }) {
    this.path = path;
    this.device = device;
    this.onFrame = onFrame;
    this.onLink = onLink;
    addEventListener("online", () => { if (!this.#socket && !this.#over) this.retry(); });
    addEventListener("pagehide", () => this.#socket?.close(1000));
    addEventListener("pageshow", (event) => { if (event.persisted && !this.#over) this.retry(); });
  }

  /** Says something; lost when nobody listens. @param {object} message */
  send(message) {
    if (this.#socket?.readyState !== WebSocket.OPEN) return false;
    this.#socket.send(JSON.stringify(message));
    return true;
  }

  /** Connects now, whatever was waited for. */
  retry() {
    clearTimeout(this.#timer);
    this.#over = false;
    this.#drop();
    this.connect();
  }

  /** Leaves for good. */
  stop() {
    this.#over = true;
    clearTimeout(this.#timer);
    this.#drop();
  }

  /** Opens the socket, asking for the old place if there was one. */
  connect() {
    this.onLink({ kind: "connecting" });
    const url = new URL(this.path, location.href);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    url.searchParams.set("device", this.device);
    const offers = [SUBPROTOCOL];
    if (this.#place && this.#synced) offers.push(`resume.${this.#place.session}.${this.#place.secret}.${this.#epoch}.${this.#offset}`);
    const socket = new WebSocket(url, offers);
    let opened = false;
    this.#socket = socket;
    this.#bye = null;
    const slow = setTimeout(() => socket.close(), OPEN_WITHIN_MS);
    socket.onopen = () => { opened = true; clearTimeout(slow); this.#heard = performance.now(); this.#startPulse(); };
    socket.onmessage = ({ data }) => {
      if (this.#socket !== socket) return;
      this.#heard = performance.now();
      this.#take(data);
    };
    socket.onclose = (event) => {
      clearTimeout(slow);
      if (this.#socket !== socket) return;
      this.#drop();
      this.#closed(event, opened);
    };
  }

  #drop() {
    clearInterval(this.#pulse);
    const socket = this.#socket;
    this.#socket = null;
    if (socket && socket.readyState <= WebSocket.OPEN) socket.close(1000);
  }

  #startPulse() {
    clearInterval(this.#pulse);
    this.#pulse = setInterval(() => {
      if (performance.now() - this.#heard > SILENT_BEATS * this.#beat_ms) {
        const socket = this.#socket;
        this.#drop();
        if (socket) this.#closed({ code: 1006, reason: "silent" }, true);
        return;
      }
      this.send({ t: "ping" });
    }, this.#beat_ms);
  }

  /** @param {string} data */
  #take(data) {
    let frame;
    try { frame = JSON.parse(data); } catch { return; }
    if (frame.t === "welcome") {
      this.#place = { session: frame.session, secret: frame.resume };
      this.#beat_ms = (frame.heartbeat_secs || 25) * 1000;
      this.#startPulse();
      this.#synced = frame.recovered === true;
      if (this.#synced) { this.#epoch = frame.epoch; this.#offset = frame.offset; }
      this.#tries = 0;
      this.onLink({ kind: "open" });
      this.onFrame(frame);
      return;
    }
    if (frame.t === "bye") { this.#bye = frame; return; }
    if (frame.t === "snapshot") {
      if (this.#synced && frame.epoch < this.#epoch) return;
      this.#epoch = frame.epoch;
      this.#offset = frame.offset;
      this.#synced = true;
    } else if (typeof frame.offset === "number") {
      if (frame.epoch < this.#epoch) return;
      const numbered = NUMBERED.has(frame.t);
      const fits = frame.epoch === this.#epoch && (numbered ? frame.offset === this.#offset + 1 : frame.offset <= this.#offset);
      if (numbered && frame.epoch === this.#epoch && frame.offset <= this.#offset) return;
      if (!fits && this.#synced) { this.#gap(); return; }
      if (numbered) this.#offset = frame.offset;
    }
    this.onFrame(frame);
  }

  /** Something was missed: come back without the old place's number, so that a snapshot is sent. */
  #gap() {
    this.#synced = false;
    this.#drop();
    this.#wait(Math.random() * BACKOFF_MS.first, 1000, false);
  }

  /** @param {{ code: number, reason: string }} event @param {boolean} opened */
  #closed(event, opened) {
    if (this.#over) return;
    const code = this.#bye?.code ?? event.code;
    const back = this.#bye ? this.#bye.reconnect === true : !FINAL.has(code);
    if (!back) {
      this.#over = true;
      if (code === 4009) this.#place = null; // its ticket is void: whoever wants to watch here comes anew
      this.onLink({ kind: "closed", code, reason: this.#bye?.reason ?? event.reason ?? "" });
      return;
    }
    this.#tries += 1;
    const ceiling = Math.min(BACKOFF_MS.longest, BACKOFF_MS.first * 2 ** Math.min(this.#tries - 1, 10));
    let in_ms = Math.random() * ceiling;
    if (code === 4029) in_ms += SLOW_DOWN_MS;
    if (typeof this.#bye?.after_ms === "number") in_ms = Math.max(in_ms, this.#bye.after_ms);
    this.#wait(in_ms, code, !opened);
  }

  /** @param {number} in_ms @param {number} code @param {boolean} failed */
  #wait(in_ms, code, failed) {
    clearTimeout(this.#timer);
    this.onLink({ kind: "waiting", in_ms, code, failed, tries: this.#tries });
    this.#timer = setTimeout(() => this.connect(), in_ms);
  }
}

/** What a snapshot or a state frame says about the broadcast, in one shape. @param {any} frame */
export function stateOf(frame) {
  const whole = frame.state && typeof frame.state === "object" ? frame.state : frame;
  const broadcast = frame.broadcast && typeof frame.broadcast === "object" ? frame.broadcast : null;
  const state = typeof frame.state === "string" ? frame.state : whole.state ?? broadcast?.state ?? "offline";
  return {
    state,
    since: whole.since ?? broadcast?.since ?? null,
    until: whole.until ?? broadcast?.until ?? null,
    starts_at: whole.starts_at ?? broadcast?.scheduled_at ?? null,
    title: broadcast?.title ?? whole.title ?? null,
    id: broadcast?.id ?? (typeof frame.broadcast === "string" ? frame.broadcast : null),
    live_at: broadcast?.live_at ?? null,
  };
}
