// A whole engine for one test file: its own state directory and ports, demo data, stand-ins, and a real LiveKit server.
import { execFileSync, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, mkdtempSync, openSync, readFileSync, rmSync, statSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { until } from "./house.mjs";

const root = fileURLToPath(new URL("../../", import.meta.url));

/** The newest engine that was built here, unless one is named. */
function program() {
  if (process.env.BACKSTAGE_BIN) return process.env.BACKSTAGE_BIN;
  const built = ["ci", "release", "debug"].map((profile) => join(root, "target", profile, "backstage")).filter(existsSync);
  if (!built.length) throw new Error("No engine: build it, or name one in BACKSTAGE_BIN.");
  return built.sort((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs)[0];
}

/** Starts an engine with demo data; `http`, `standins` and `livekit` are what it wrote about itself. */
export async function engine() {
  const state = mkdtempSync(join(tmpdir(), "backstage-browser-")), log = join(state, "engine.log");
  const out = openSync(log, "w");
  const child = spawn(program(), ["serve", "--demo"], { cwd: root, stdio: ["ignore", out, out], env: { ...process.env, BACKSTAGE__STATE_DIR: state, BACKSTAGE__SERVER__PORT: "0" } });
  process.once("exit", () => child.kill("SIGKILL"));
  const file = join(state, "serve.json");
  await until("the engine is ready", () => {
    if (child.exitCode !== null) throw new Error(`the engine ended:\n${readFileSync(log, "utf8").slice(-3000)}`);
    return existsSync(file);
  }, 60_000);
  const told = JSON.parse(readFileSync(file, "utf8"));
  const stop = async () => {
    const gone = new Promise((over) => child.once("exit", over));
    child.kill("SIGTERM");
    await gone;
    rmSync(state, { recursive: true, force: true });
  };
  // The process of its media server, and its database, asked beside it.
  const mediaPid = () => Number(readFileSync(join(state, "livekit/livekit.pid"), "utf8").split(" ")[0]);
  const sql = (query) => JSON.parse(execFileSync("psql", ["-XAtq", "-d", told.database, "-c", `select coalesce(json_agg(found), '[]') from (${query}) found`], { encoding: "utf8" }));
  return { ...told, log: () => readFileSync(log, "utf8"), command: (...args) => execFileSync(program(), args, { cwd: root, env: { ...process.env, BACKSTAGE__STATE_DIR: state }, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }), state, mediaPid, sql, stop };
}

/** A viewer's bare socket: what the engine says is passed over; `say` sends a short text. */
const seat = (url, token) => new Promise((seated, refused) => {
  const headers = { connection: "Upgrade", upgrade: "websocket", "sec-websocket-version": "13", "sec-websocket-key": randomBytes(16).toString("base64"), authorization: `Bearer ${token}` };
  request(url, { headers })
    .on("upgrade", (_, socket) => {
      socket.resume();
      // One masked text frame; a mask of nothing leaves the text as it is.
      seated({ say: (frame) => { const text = Buffer.from(JSON.stringify(frame)); socket.write(Buffer.concat([Buffer.from([0x81, 0x80 | text.length, 0, 0, 0, 0]), text])); }, leave: () => socket.destroy() });
    })
    .on("response", (answer) => refused(new Error(`a seat was refused with ${answer.statusCode}`)))
    .on("error", refused)
    .end();
});

/** Gives a right to as many people of a crowd; what it answers with seats them in the demo's stage. */
export async function crowd({ http, command, state }, viewers) {
  const file = join(state, "crowd");
  command("seed", "crowd", "--experience", "demo/main-stage", "--viewers", String(viewers), "--out", file);
  const { experiences: [{ id }] } = await (await fetch(`${http}/api/v1/spaces/demo/public`)).json();
  return () => Promise.all(readFileSync(file, "utf8").trim().split("\n").map((token) => seat(`${http}/api/v1/experiences/${id}/live`, token)));
}

const mailsTo = async (standins, email) => (await fetch(`${standins}/mail/messages?to=${encodeURIComponent(email)}`)).json();

/** The code in a mail to this address that is none of those `known` before. */
async function codeFor(standins, email, known) {
  return until(`a code for ${email}`, async () => {
    const fresh = (await mailsTo(standins, email)).find(({ id }) => !known.has(id));
    return fresh && /\b(\d{3}\s?\d{3})\b/.exec(fresh.text ?? fresh.subject)?.[1].replace(/\s/g, "");
  });
}

/** Signs in by the page, as people do, and ends at `next`. */
export async function signIn(page, { http, standins }, email, next) {
  const known = new Set((await mailsTo(standins, email)).map(({ id }) => id));
  await page.goto(`${http}/login?next=${encodeURIComponent(next)}`);
  await page.getByLabel("E-mail").fill(email);
  await page.getByRole("button", { name: "Send the code" }).click();
  await page.getByLabel("6-digit code").fill(await codeFor(standins, email, known));
  await page.waitForURL((url) => url.pathname === new URL(next, http).pathname);
}
