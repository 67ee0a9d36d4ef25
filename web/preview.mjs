// Serves what `cargo test view::` rendered, with the built bundle, on a free port of this machine, to look at.
import { createServer } from "node:http";
import { readFileSync, readdirSync } from "node:fs";
import { dirname, extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const views = join(here, "../target/view-preview");
const types = { ".html": "text/html; charset=utf-8", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml", ".woff2": "font/woff2", ".json": "application/json" };
// The policy that the engine sends with its pages.
const policy = "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self' ws://127.0.0.1:* http://127.0.0.1:*; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/** The rendered views by name. */
export const names = () => readdirSync(views).filter((file) => file.endsWith(".html")).map((file) => file.slice(0, -5)).sort();

/** Starts the server; `url` ends with a slash. */
export async function serve(port = 0) {
  const manifest = JSON.parse(readFileSync(join(here, "dist/manifest.json"), "utf8"));
  const server = createServer((request, answer) => {
    const path = normalize(decodeURIComponent(new URL(request.url, "http://here").pathname));
    try {
      if (path === "/") return answer.writeHead(200, { "content-type": types[".html"] }).end(`<ul>${names().map((name) => `<li><a href="/${name}">${name}</a>`).join("")}</ul>`);
      if (path.startsWith("/assets/")) return answer.writeHead(200, { "content-type": types[extname(path)] ?? "text/plain" }).end(readFileSync(join(here, "dist", path.slice(8))));
      const html = readFileSync(join(views, `${path}.html`), "utf8").replace(/\/assets\/@(\w+)/g, (_, name) => manifest[name]);
      answer.writeHead(200, { "content-type": types[".html"], "content-security-policy": policy }).end(html);
    } catch {
      answer.writeHead(404, { "content-type": types[".json"] }).end("{}");
    }
  });
  await new Promise((up) => server.listen(port, "127.0.0.1", up));
  return { url: `http://127.0.0.1:${server.address().port}/`, close: () => server.close() };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) console.log((await serve(Number(process.argv[2] ?? 0))).url);
