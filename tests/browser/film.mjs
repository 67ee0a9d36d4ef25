// A picture for the camera of a test browser: somebody at a desk, drawn and moving a little, instead of the browser's test card.
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { browser } from "./house.mjs";

const WIDTH = 1280, HEIGHT = 720, FRAMES = 48;

/** The scene at `turn`, from 0 to 1 and round again. @param {number} turn */
const scene = (turn) => {
  const wave = Math.sin(turn * 2 * Math.PI), half = Math.sin(turn * 4 * Math.PI);
  const bars = Array.from({ length: 26 }, (_, i) => { const tall = 26 + 22 * Math.abs(Math.sin(i * 1.7 + turn * 2 * Math.PI * (1 + (i % 3)))); return `<rect x="${828 + i * 13}" y="${300 - tall}" width="7" height="${tall * 2}" rx="3.5" fill="${i % 5 ? "#3fae82" : "#f3b93f"}"/>`; }).join("");
  const faders = Array.from({ length: 9 }, (_, i) => `<rect x="${250 + i * 52}" y="618" width="6" height="74" rx="3" fill="#0b110e"/><rect x="${241 + i * 52}" y="${640 + 22 * Math.sin(i * 2.1 + turn * 2 * Math.PI * (i % 2))}" width="24" height="14" rx="3" fill="${i % 4 === 1 ? "#f3b93f" : "#c9d2cc"}"/>`).join("");
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1280 720" width="1280" height="720"><defs>
  <linearGradient id="wall" x2="1" y2="1"><stop stop-color="#27443b"/><stop offset=".6" stop-color="#152822"/><stop offset="1" stop-color="#0d1814"/></linearGradient>
  <radialGradient id="lamp" cx=".2" cy=".18" r=".62"><stop stop-color="#ffd98a" stop-opacity=".7"/><stop offset="1" stop-color="#ffd98a" stop-opacity="0"/></radialGradient>
  <linearGradient id="skin" x2="1"><stop stop-color="#d99a70"/><stop offset="1" stop-color="#a9694a"/></linearGradient>
  <linearGradient id="coat" x2="1" y2="1"><stop stop-color="#b4532f"/><stop offset="1" stop-color="#6d2c1d"/></linearGradient></defs>
  <rect width="1280" height="720" fill="url(#wall)"/>
  <g fill="#1d352d">${Array.from({ length: 7 }, (_, i) => `<rect x="${40 + i * 62}" y="60" width="50" height="150" rx="4"/>`).join("")}</g>
  <g>${[["#b4532f", 52], ["#e0c27a", 114], ["#49705f", 176], ["#d9d3c3", 238], ["#8a3f57", 300], ["#3c6a86", 362], ["#e0c27a", 424]].map(([tone, x]) => `<rect x="${x}" y="86" width="26" height="124" rx="2" fill="${tone}"/>`).join("")}</g><rect x="30" y="210" width="450" height="10" rx="3" fill="#6b4a33"/>
  <rect x="800" y="200" width="390" height="220" rx="14" fill="#0b110e" stroke="#33463e" stroke-width="6"/>${bars}
  <rect width="1280" height="720" fill="url(#lamp)"/>
  <g transform="translate(${560 + 7 * wave} ${6 * half}) rotate(${1.3 * wave} 0 500)">
    <path d="M-190 720c0-150 70-222 190-232c120 10 190 82 190 232z" fill="url(#coat)"/><path d="M-44 500c10 42 78 42 88 0l-6-60h-76z" fill="#b97a58"/>
    <ellipse cx="0" cy="352" rx="92" ry="116" fill="url(#skin)"/><path d="M-98 340c-12-96 38-142 104-140c68 2 108 52 90 142c-18-38-34-58-60-70c-40 20-92 22-118 10c-10 16-14 34-16 58z" fill="#2a1a16"/>
    <path d="M-100 356c0-140 200-140 200 0" fill="none" stroke="#101b16" stroke-width="16"/><rect x="-118" y="330" width="34" height="72" rx="15" fill="#101b16"/><rect x="84" y="330" width="34" height="72" rx="15" fill="#101b16"/>
    <ellipse cx="-34" cy="352" rx="8" ry="${9 - 2 * Math.max(0, half)}" fill="#1c120f"/><ellipse cx="36" cy="352" rx="8" ry="${9 - 2 * Math.max(0, half)}" fill="#1c120f"/><path d="M-28 ${410 + wave}q30 ${22 + 10 * Math.abs(half)} 60 0" fill="none" stroke="#6e3325" stroke-width="7" stroke-linecap="round"/><path d="M2 362q10 26-6 28" fill="none" stroke="#9a5d42" stroke-width="5" stroke-linecap="round"/></g>
  <g><path d="M1010 720L860 500l-96-40" fill="none" stroke="#0b110e" stroke-width="14" stroke-linejoin="round"/><rect x="690" y="420" width="104" height="56" rx="28" fill="#1b2622" stroke="#46584f" stroke-width="4" transform="rotate(14 742 448)"/></g>
  <path d="M0 600h1280v120H0z" fill="#33241a"/><rect x="200" y="600" width="530" height="120" rx="10" fill="#1b2622" stroke="#46584f" stroke-width="3"/>${faders}</svg>`;
};

/** Draws the scene, and returns the flags with which a browser takes it for its camera. */
export async function film() {
  const chrome = await browser();
  const page = await chrome.newPage({ viewport: { width: WIDTH, height: HEIGHT } });
  const pictures = [];
  for (let frame = 0; frame < FRAMES; frame += 1) {
    await page.setContent(`<body style="margin:0">${scene(frame / FRAMES)}`);
    pictures.push(await page.screenshot({ type: "jpeg", quality: 88 }));
  }
  await chrome.close();
  const file = join(mkdtempSync(join(tmpdir(), "backstage-film-")), "camera.mjpeg");
  writeFileSync(file, Buffer.concat(pictures));
  return [`--use-file-for-fake-video-capture=${file}`];
}
