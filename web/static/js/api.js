// @ts-check
// Calls of the JSON interface from a page: the session's cookie, the anti-forgery token, one key per deed.
import { one } from "./dom.js";

/** An answer that is not a success, in the words of the server. */
export class Refused extends Error {
  /** @param {number} status @param {string} code @param {string} detail @param {any} body */
  constructor(status, code, detail, body) {
    super(detail);
    this.status = status;
    this.code = code;
    this.body = body;
  }
}

const NO_ANSWER = "The engine did not answer. Look at your connection; nothing more was sent.";
const RETRY_MS = 700;
const wait = (/** @type {number} */ ms) => new Promise((go) => setTimeout(go, ms));

/**
 * One call. An unsafe one carries a key of its own, so that it may be sent again when the answer was lost.
 * @param {string} method @param {string} path @param {unknown} [body] @returns {Promise<any>}
 */
export async function call(method, path, body) {
  /** @type {Record<string, string>} */
  const headers = { accept: "application/json" };
  const safe = method === "GET";
  if (!safe) {
    headers["x-csrf-token"] = one("meta[name=csrf-token]")?.content ?? "";
    headers["idempotency-key"] = crypto.randomUUID();
  }
  if (body !== undefined) headers["content-type"] = "application/json";
  const ask = () => fetch(path, { method, headers, credentials: "same-origin", body: body === undefined ? undefined : JSON.stringify(body) });
  let answer;
  try {
    answer = await ask().catch(async () => { await wait(RETRY_MS); return ask(); });
  } catch {
    throw new Refused(0, "no_answer", NO_ANSWER, null);
  }
  const text = await answer.text();
  let json = null;
  try { json = text ? JSON.parse(text) : null; } catch { json = null; }
  if (answer.ok) return json;
  throw new Refused(answer.status, json?.code ?? `http_${answer.status}`, json?.detail ?? json?.title ?? "This did not work, and nothing was changed.", json);
}
