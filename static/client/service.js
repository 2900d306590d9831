/** One service and who asks it: where it is, what is shown to it, and every request. */

const ANSWER_MS = 30_000;
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 60_000;
const SOON_MS = 2_000;
const PASSING = new Set([0, 429, 502, 503, 504]);

/** A request that was refused (RFC 9457), or that found nobody (`status` 0). `retryAfter` is in seconds. */
export class Refusal extends Error {
  /** @param {number} status @param {Problem} problem @param {number} [retryAfter] */
  constructor(status, problem, retryAfter = 0) {
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

  /** @param {TidingsOptions} options */
  constructor({ base = new URL("../..", import.meta.url), token = "" }) {
    this.base = new URL(String(base).replace(/\/*$/, "/"), globalThis.location?.href);
    this.source = token;
  }

  /** @param {string} link of the service */
  url(link) {
    return new URL(link.replace(/^\/+/, ""), this.base);
  }

  /** What to show, if anything. @param {string} [refused] what was shown in vain */
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

  /** `fetch`, and once more with a fresh token where one is refused. @param {string} link @param {RequestInit} options */
  async fetch(link, options) {
    const token = await this.token();
    const response = await this.#send(link, options, token);
    const fresh = response.status === 401 ? await this.token(token) : token;
    return fresh === token ? response : this.#send(link, options, fresh);
  }

  /** @param {string} link @param {RequestInit} options @param {string} token goes to the service alone */
  #send(link, options, token) {
    const url = this.url(link);
    const headers = new Headers(options.headers);
    if (token && url.origin === this.base.origin) headers.set("Authorization", `Bearer ${token}`);
    return fetch(url, { cache: "no-store", ...options, headers });
  }

  /**
   * One request and its JSON. Rejects with a Refusal, or with the signal's reason.
   * @param {string} link @param {RequestOptions} [options] @returns {Promise<Answer>}
   */
  async request(link, { json, tries = 1, ...options } = {}) {
    const headers = new Headers(options.headers);
    if (json !== undefined) headers.set("Content-Type", "application/json");
    const posted = json === undefined ? {} : { method: "POST", body: JSON.stringify(json) };
    for (let n = 1; ; n += 1) {
      try {
        return await this.#answer(link, { ...posted, ...options, headers });
      } catch (error) {
        if (n >= tries || !(error instanceof Refusal && error.passing)) throw error;
        await pause(pauseAfter(error, n), options.signal);
      }
    }
  }

  /** @param {string} link @param {RequestOptions} options */
  async #answer(link, { timeout = ANSWER_MS, signal: given, ...options }) {
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
    const { ok, status, headers } = response;
    if (!ok && status !== 304) throw refusalOf(response, text);
    return { status, headers, body: text ? parsed(text) : null };
  }
}

/** @param {Response} response @param {string} text */
export const refusalOf = ({ status, headers }, text) => new Refusal(status, parsed(text), retryAfterOf(headers));

/** Seconds; 0 where none are named. @param {Headers} headers */
export const retryAfterOf = (headers) => Number(headers.get("Retry-After")) || 0;

/** Milliseconds until the next try: never early, nor in step. @param {unknown} error @param {number} failures */
export function pauseAfter(error, failures) {
  const asked = error instanceof Refusal ? error.retryAfter * 1000 : 0;
  return Math.max(asked, Math.min(FIRST_PAUSE_MS * 2 ** failures, LONGEST_PAUSE_MS)) * (1 + Math.random() / 5);
}

/** @param {number} milliseconds @param {?AbortSignal} [signal] @returns {Promise<void>} */
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
  });
}

/** A key that makes a repeated submission harmless. `randomUUID` is missing where the page came by plain HTTP. */
export const newKey = () =>
  Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");

/** A proxy's error page is no JSON; it says nothing beside its status. @param {string} text */
function parsed(text) {
  try {
    return JSON.parse(text) ?? {};
  } catch {
    return {};
  }
}
