// What the browser tests stand on: Chromium, the rendered views served as the engine serves pages, waiting for levels.
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { serve } from "../../web/preview.mjs";

const require = createRequire(new URL("../../web/package.json", import.meta.url));
const { chromium } = require("playwright-core");

/** The source of axe-core, to be run inside a page. */
export const axeSource = require("axe-core").source;

const SHELLS = ["/usr/bin/chromium-headless-shell", "/usr/bin/chromium"];
const FLAGS = [
  "--no-sandbox", "--disable-dev-shm-usage", "--autoplay-policy=no-user-gesture-required", "--use-fake-ui-for-media-stream",
  "--use-fake-device-for-media-stream", "--disable-background-networking", "--no-first-run", "--mute-audio",
];

/** A headless Chromium. @param {string[]} [more] further flags */
export async function browser(more = []) {
  const executablePath = process.env.CHROMIUM ?? SHELLS.find(existsSync);
  if (!executablePath) throw new Error("No Chromium: install chromium-headless-shell, or name one in CHROMIUM.");
  return chromium.launch({ executablePath, args: [...FLAGS, ...more] });
}

/** The rendered views. `cargo test view::` writes them. */
export async function views() {
  if (!existsSync(new URL("../../target/view-preview", import.meta.url))) throw new Error("No rendered views: run `cargo test --lib view::` first.");
  return serve();
}

/** Waits for a level, never for an edge; says what was still missing. */
export async function until(what, look, within_ms = 10_000) {
  const end = Date.now() + within_ms;
  for (let seen; ; await new Promise((go) => setTimeout(go, 25))) {
    seen = await look();
    if (seen) return seen;
    if (Date.now() > end) throw new Error(`not within ${within_ms} ms: ${what} (last seen: ${JSON.stringify(seen)})`);
  }
}
