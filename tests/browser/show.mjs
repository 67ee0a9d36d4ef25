// What tests of a whole show share: people in browsers of their own, taking a broadcast live, and what went over their sockets.
import { signIn } from "./engine.mjs";
import { until } from "./house.mjs";

export const STUDIO = "/studio/demo/experiences/main-stage";
export const ROOM = "/account/purchased_spaces/demo/experiences/main-stage";

/** Frames that the page's picture has shown. */
export const frames = (page) => page.evaluate(() => document.querySelector("[data-screen] video")?.getVideoPlaybackQuality().totalVideoFrames ?? 0);

/** Media tokens in a message of the media server, which come as text in a binary frame. */
export const tokensIn = (payload) => Buffer.from(payload).toString("latin1").match(/eyJ[\w-]+\.[\w-]+\.[\w-]+/g) ?? [];

/** Writes down what a page's sockets hear: the engine's frames with their times, and the tokens that the media server pushes. */
export function listen(page) {
  const heard = { frames: [], tokens: new Set(), closed: [] };
  page.on("websocket", (socket) => {
    const { pathname } = new URL(socket.url());
    const engine = pathname.startsWith("/api/");
    socket.on("framereceived", ({ payload }) => {
      if (!engine) return tokensIn(payload).forEach((token) => heard.tokens.add(token));
      const frame = JSON.parse(payload);
      heard.frames.push({ ...frame, at: Date.now() });
      if (frame.t === "token") heard.tokens.add(frame.token);
    });
    if (engine) socket.on("close", () => heard.closed.push({ pathname, at: Date.now() }));
  });
  return heard;
}

/** Somebody in a browser of their own, signed in. */
export async function somebody(chrome, it, name, next) {
  const context = await chrome.newContext({ viewport: { width: 1100, height: 800 }, permissions: ["camera", "microphone"], reducedMotion: "reduce" });
  const page = await context.newPage();
  const heard = listen(page);
  await signIn(page, it, `${name}@demo.test`, next);
  return { page, heard, leave: () => context.close() };
}

/** Opens the lobby with the camera on, and goes live from it. */
export async function goLive(creator) {
  await creator.getByRole("button", { name: "Turn the camera on" }).click();
  await until("camera, microphone and engine are there", async () => (await creator.locator("[data-ready]").textContent()) === "All set", 20_000);
  await creator.getByRole("button", { name: "Open the lobby" }).click();
  await until("the lobby", () => creator.locator(".truth--lobby").isVisible());
  await creator.getByRole("button", { name: "Go live", exact: true }).click();
  await until("live", () => creator.locator(".truth--live").isVisible());
  await until("the picture is out", () => creator.getByText("What they see").isVisible(), 20_000);
}

export async function end(creator) {
  await creator.getByRole("button", { name: "End the broadcast" }).click();
  await creator.getByRole("dialog").getByRole("button", { name: "End the broadcast" }).click();
  await until("ended", () => creator.locator(".truth--ended").isVisible());
}
