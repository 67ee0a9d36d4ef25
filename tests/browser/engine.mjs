// A whole engine for one test file: its own state directory and ports, demo data, stand-ins, and a real LiveKit server.
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, openSync, readFileSync, rmSync, statSync } from "node:fs";
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
  return { ...told, log: () => readFileSync(log, "utf8"), stop };
}

/** The newest code that was mailed to this address after `since`. */
export async function codeFor(standins, email, since) {
  return until(`a code for ${email}`, async () => {
    const mails = await (await fetch(`${standins}/mail/messages?to=${encodeURIComponent(email)}`)).json();
    const fresh = mails.find(({ at }) => Date.parse(at) >= since - 2000);
    return fresh && /\b(\d{3}\s?\d{3})\b/.exec(fresh.text ?? fresh.subject)?.[1].replace(/\s/g, "");
  });
}

/** Signs in by the page, as people do, and ends at `next`. */
export async function signIn(page, { http, standins }, email, next) {
  const since = Date.now();
  await page.goto(`${http}/login?next=${encodeURIComponent(next)}`);
  await page.getByLabel("E-mail").fill(email);
  await page.getByRole("button", { name: "Send the code" }).click();
  await page.getByLabel("6-digit code").fill(await codeFor(standins, email, since));
  await page.waitForURL((url) => url.pathname === new URL(next, http).pathname);
}
