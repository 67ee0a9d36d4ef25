// A real LiveKit server on loopback for one test file: its configuration, its tokens, and the few calls a test needs.
import { spawn } from "node:child_process";
import { createHmac } from "node:crypto";
import { existsSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { until } from "./house.mjs";

const VERSION = "1.13.5";
const KEY = "backstage-test", SECRET = "a-secret-for-this-test-alone-of-some-length";
const CANDIDATES = [process.env.LIVEKIT_SERVER, join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), `backstage/bin/livekit-server-${VERSION}`), "/usr/local/bin/livekit-server", "/usr/bin/livekit-server"];

/** Two or more ports that nobody listens on just now. */
async function freePorts(count) {
  const servers = await Promise.all(Array.from({ length: count }, () => new Promise((up) => { const server = createServer(); server.listen(0, "127.0.0.1", () => up(server)); })));
  const ports = servers.map((server) => server.address().port);
  await Promise.all(servers.map((server) => new Promise((down) => server.close(down))));
  return ports;
}

const base64 = (value) => Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url");

/** A token for this person and what they may do. */
export function token(identity, video, ttl_secs = 600) {
  const now = Math.floor(Date.now() / 1000);
  const body = `${base64({ alg: "HS256", typ: "JWT" })}.${base64({ iss: KEY, sub: identity, name: identity, nbf: now - 5, exp: now + ttl_secs, video })}`;
  return `${body}.${createHmac("sha256", SECRET).update(body).digest("base64url")}`;
}
export const publisher = (identity, room) => token(identity, { roomJoin: true, room, canPublish: true, canSubscribe: false });
export const viewer = (identity, room, ttl_secs) => token(identity, { roomJoin: true, room, canPublish: false, canPublishData: false, canSubscribe: true }, ttl_secs);

/** Starts the server; throws when there is none. */
export async function mediaServer() {
  const program = CANDIDATES.find((path) => path && existsSync(path));
  if (!program) throw new Error("No LiveKit server: `bin/test --only livekit` builds one, or name one in LIVEKIT_SERVER.");
  const folder = mkdtempSync(join(tmpdir(), "backstage-livekit-")), log = join(folder, "log");
  const [port, tcp, udp] = await freePorts(3);
  writeFileSync(join(folder, "config.yaml"), `port: ${port}\nbind_addresses: ["127.0.0.1"]\nrtc:\n  tcp_port: ${tcp}\n  udp_port: ${udp}\n  use_external_ip: false\n  enable_loopback_candidate: true\n  interfaces:\n    includes: [lo]\n  stun_servers: ["127.0.0.1:1"]\nroom:\n  auto_create: false\nkeys:\n  ${KEY}: ${SECRET}\n`);
  const out = openSync(log, "w");
  const child = spawn(program, ["--config", join(folder, "config.yaml")], { stdio: ["ignore", out, out] });
  process.once("exit", () => child.kill("SIGKILL"));
  const http = `http://127.0.0.1:${port}`;
  await until(`the LiveKit server answers: ${log}`, async () => {
    if (child.exitCode !== null) throw new Error(`the LiveKit server ended:\n${readFileSync(log, "utf8").slice(-2000)}`);
    return fetch(http).then((answer) => answer.ok, () => false);
  }, 20_000);
  const call = async (method, body) => {
    const pass = token("", { roomCreate: true, roomList: true, roomAdmin: true, room: body.room ?? body.name ?? "" });
    const answer = await fetch(`${http}/twirp/livekit.RoomService/${method}`, { method: "POST", headers: { "content-type": "application/json", authorization: `Bearer ${pass}` }, body: JSON.stringify(body) });
    if (!answer.ok) throw new Error(`${method}: ${await answer.text()}`);
    return answer.json();
  };
  const stop = async () => {
    const gone = new Promise((over) => child.once("exit", over));
    child.kill("SIGKILL");
    await gone;
    rmSync(folder, { recursive: true, force: true });
  };
  return { ws: `ws://127.0.0.1:${port}`, call, stop };
}
