/** One service and who asks it: where it is, what is shown to it, and every request that is no stream. */

const ANSWER_MS = 30_000;
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 60_000;
const SOON_MS = 2_000;
const PASSING = new Set([0, 429, 502, 503, 504]);

/**
 * @typedef {{token?: string, expires_at?: string}} TokenObject what `POST /api/tokens` answers
 * @typedef {string | (() => string | TokenObject | Promise<string | TokenObject>)} Token a function is asked again for
 *   a fresh one in time
 * @typedef {{code?: string, title?: string, detail?: string, errors?: {pointer?: string, message: string}[]}} Problem
 */

/** A request that was refused (RFC 9457), or that found nobody (`status` 0, `code` "unreachable"). */
export class Refusal extends Error {
  /**
   * @param {number} status
   * @param {Problem} problem
   * @param {?number} [retryAfter] seconds
   */
  constructor(status, problem, retryAfter = null) {
    super(problem.detail || problem.title || `The server answered ${status}.`);
    this.status = status;
    this.code = problem.code ?? "unknown";
    this.errors = problem.errors ?? [];
    this.retryAfter = retryAfter;
  }

  /** Whether the same request may do better in a while. */
  get passing() {
    return PASSING.has(this.status);
  }
}

export class Service {
  /** @type {Promise<TokenObject> | undefined} */
  #held;

  /** @param {{base?: string | URL, token?: Token}} [options] `base` is where this file came from, unless it is given */
  constructor({ base = new URL("../..", import.meta.url), token = "" } = {}) {
    this.base = new URL(String(base).replace(/\/*$/, "/"), globalThis.location?.href);
    this.source = token;
  }

  /** Where a link of the service leads. @param {string} link */
  url(link) {
    return new URL(link.replace(/^\/+/, ""), this.base);
  }

  /** What to show. @param {string} [refused] what was shown in vain @returns {Promise<string>} nothing where there is none */
  async token(refused) {
    if (typeof this.source !== "function") return this.source;
    const asked = this.#held;
    const held = await asked;
    const left = Date.parse(held?.expires_at ?? "") - Date.now();
    if (held?.token && held.token !== refused && !(left < SOON_MS)) return held.token;
    if (this.#held === asked) this.#held = this.#ask(this.source);
    return (await this.#held)?.token ?? "";
  }

  /** @param {Exclude<Token, string>} source @returns {Promise<TokenObject>} */
  async #ask(source) {
    try {
      const given = await source();
      return typeof given === "string" ? { token: given } : given;
    } catch {
      this.#held = undefined;
      throw new Refusal(0, { code: "no_token", detail: "No token is to be had." });
    }
  }

  /**
   * `fetch` with what there is to show; where that is refused, once more with a fresh one.
   * @param {string} link
   * @param {RequestInit} [options]
   */
  async fetch(link, options = {}) {
    const token = await this.token();
    const response = await this.#send(link, options, token);
    const fresh = response.status === 401 ? await this.token(token) : token;
    return fresh === token ? response : this.#send(link, options, fresh);
  }

  /** @param {string} link @param {RequestInit} options @param {string} token */
  #send(link, options, token) {
    const url = this.url(link);
    const headers = new Headers(options.headers);
    if (token && url.origin === this.base.origin) headers.set("Authorization", `Bearer ${token}`);
    return fetch(url, { cache: "no-store", ...options, headers });
  }

  /**
   * One request and its JSON; 304 and 204 have none. Rejects with a Refusal, or with the signal's reason.
   * @param {string} link
   * @param {RequestInit & {json?: unknown, tries?: number, timeout?: number}} [options] `json` is posted; `tries` are
   *   for what may be repeated; milliseconds
   * @returns {Promise<{status: number, headers: Headers, body: any}>}
   */
  async request(link, { json, tries = 1, ...options } = {}) {
    const headers = new Headers(options.headers);
    if (json !== undefined) headers.set("Content-Type", "application/json");
    const posted = json === undefined ? {} : { method: "POST", body: JSON.stringify(json) };
    const asked = { ...posted, ...options, headers };
    for (let n = 1; ; n += 1) {
      try {
        return await this.#answer(link, asked);
      } catch (error) {
        if (n >= tries || !(error instanceof Refusal && error.passing)) throw error;
        await pause(pauseAfter(error, n), options.signal);
      }
    }
  }

  /** @param {string} link @param {RequestInit & {timeout?: number}} options */
  async #answer(link, { timeout = ANSWER_MS, ...options }) {
    const given = options.signal;
    const limit = AbortSignal.timeout(timeout);
    let response, text;
    try {
      response = await this.fetch(link, { ...options, signal: given ? AbortSignal.any([given, limit]) : limit });
      text = await response.text();
    } catch (error) {
      given?.throwIfAborted();
      if (error instanceof Refusal) throw error;
      throw new Refusal(0, { code: "unreachable", detail: "The server cannot be reached." });
    }
    const { status, headers } = response;
    if (!response.ok && status !== 304) throw refusalOf(response, text);
    return { status, headers, body: text ? parsed(text) : null };
  }
}

/** @param {Response} response @param {string} text */
export function refusalOf({ status, headers }, text) {
  return new Refusal(status, parsed(text), retryAfterOf(headers));
}

/** Seconds. @param {Headers} headers @returns {?number} */
export function retryAfterOf(headers) {
  const seconds = Number.parseFloat(headers.get("Retry-After") ?? "");
  return Number.isFinite(seconds) ? seconds : null;
}

/** Milliseconds until trying again after so many failures: never early, and not in step with others.
 * @param {unknown} error @param {number} failures */
export function pauseAfter(error, failures) {
  const asked = error instanceof Refusal ? (error.retryAfter ?? 0) * 1000 : 0;
  const growing = Math.min(FIRST_PAUSE_MS * 2 ** failures, LONGEST_PAUSE_MS);
  return Math.max(asked, growing) * (1 + Math.random() / 5);
}

/** @param {number} milliseconds @param {?AbortSignal} [signal] rejects with its reason @returns {Promise<void>} */
export function pause(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(finish, milliseconds);
    function finish() {
      clearTimeout(timer);
      signal?.removeEventListener("abort", finish);
      if (signal?.aborted) reject(signal.reason);
      else resolve();
    }
    signal?.addEventListener("abort", finish);
    if (signal?.aborted) finish();
  });
}

/** A key that makes a repeated submission harmless. `randomUUID` is missing where the page came by plain HTTP. */
export function newKey() {
  if (crypto.randomUUID) return crypto.randomUUID();
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** A proxy's error page is no JSON; it then says nothing beside its status. @param {string} text */
function parsed(text) {
  try {
    return JSON.parse(text) ?? {};
  } catch {
    return {};
  }
}
