// Builds web/dist: one stylesheet, one script per kind of page with shared pieces, fonts, icons and pictures, and
// manifest.json, which tells the engine the hashed names. Names with a hash may be cached for ever, the others not.
import { cpSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const out = join(here, "dist");
const at = (name) => `/assets/${name}`;

rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });

const result = await build({
  absWorkingDir: here,
  entryPoints: {
    app: "static/css/app.css",
    shell: "static/js/shell.js",
    sign_in: "static/js/sign_in.js",
    space: "static/js/space.js",
    watch: "static/js/watch.js",
    studio: "static/js/studio.js",
  },
  outdir: out,
  bundle: true,
  splitting: true,
  format: "esm",
  target: ["es2022", "chrome111", "firefox121", "safari16.4"],
  minify: true,
  metafile: true,
  sourcemap: false,
  legalComments: "linked",
  entryNames: "[name]-[hash]",
  chunkNames: "chunk-[hash]",
  assetNames: "[name]-[hash]",
  loader: { ".woff2": "file" },
  publicPath: "/assets",
  logLevel: "warning",
});

const manifest = {};
for (const [file, made] of Object.entries(result.metafile.outputs)) {
  const name = basename(file);
  if (made.entryPoint?.endsWith("app.css")) manifest.css = at(name);
  else if (made.entryPoint?.startsWith("static/js/")) manifest[basename(made.entryPoint, ".js")] = at(name);
  else if (name.startsWith("archivo-text-") && !name.startsWith("archivo-text-ext")) manifest.font_text = at(name);
  else if (name.startsWith("archivo-display-")) manifest.font_display = at(name);
}
for (const wanted of ["css", "shell", "sign_in", "space", "watch", "studio", "font_text", "font_display"])
  if (!manifest[wanted]) throw new Error(`the build made no ${wanted}`);
writeFileSync(join(out, "manifest.json"), `${JSON.stringify(manifest, null, 2)}\n`);

for (const name of ["icons.svg", "icon.svg", "art", "fonts/OFL-Archivo.txt"]) cpSync(join(here, "static", name), join(out, basename(name)), { recursive: true });

const bytes = Object.entries(result.metafile.outputs).map(([file, { bytes }]) => `${String(bytes).padStart(8)}  ${basename(file)}`);
console.log(bytes.sort().reverse().join("\n"));
