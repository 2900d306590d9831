/**
 * Who the page acts for, where the service asks: an API key or a JWT, kept for as long as the tab is open.
 * Requests show it by `authorization`. Streams and links cannot, so for them there is a cookie that no script can read,
 * short-lived and renewed.
 */

const NAME = "tidings.key";
const RETRY_MS = 5_000;
const SHORTEST_MS = 1_000;

/** @type {ReturnType<typeof setTimeout> | undefined} */
let renewal;
let whose = "";

/** The key that was entered in this tab, or nothing; a frame without storage has none. */
export function storedKey() {
  try {
    return sessionStorage.getItem(NAME) ?? "";
  } catch {
    return "";
  }
}

/** What every request shows. @returns {Record<string, string>} */
export function authorization() {
  const key = storedKey();
  return key ? { Authorization: `Bearer ${key}` } : {};
}

/**
 * Act with this key from now on, if the service takes it.
 * @param {string} key
 * @returns {Promise<string>} why it does not, or nothing
 */
export async function enter(key) {
  sessionStorage.setItem(NAME, key);
  const problem = await renew();
  if (problem) sessionStorage.removeItem(NAME);
  return problem;
}

/** Have the cookie set again before it expires, for as long as the tab is open; an operator's for everybody's, `*`. */
export async function renew(owner = whose) {
  whose = owner;
  clearTimeout(renewal);
  const answer = await grant();
  if (answer.status === 401 || answer.status === 403) return answer.detail;
  const left = Date.parse(answer.expires_at) - Date.now();
  renewal = setTimeout(() => renew(), Number.isFinite(left) ? Math.max(left / 2, SHORTEST_MS) : RETRY_MS);
  return answer.expires_at ? "" : (answer.detail ?? "The server cannot be reached.");
}

/** Whether a key was entered in this tab. */
export const entered = () => storedKey() !== "";

async function grant() {
  const headers = { "Content-Type": "application/json", ...authorization() };
  const body = JSON.stringify({ scope: "read", feed: true, owner: whose, cookie: true });
  try {
    return await (await fetch("/api/tokens", { method: "POST", headers, body })).json();
  } catch {
    return {};
  }
}
