/**
 * The protocol: every request a browser makes of Tidings. Knows no DOM; any page may import it.
 * How one job is followed to its end is in client/follow.js.
 */

/**
 * @typedef {"pending" | "processing" | "completed" | "failed" | "cancelled"} Status
 *
 * @typedef {object} Progress
 * @property {number} percent 0 to 100
 * @property {string} [message]
 * @property {number} [eta_seconds]
 *
 * @typedef {object} Artifact
 * @property {string} name
 * @property {number} size bytes
 * @property {string} url
 *
 * @typedef {object} Job the job object of every transport, as far as a page needs it
 * @property {string} job_id
 * @property {string} kind
 * @property {Status} status
 * @property {number} seq number of the latest event it contains
 * @property {number} attempt
 * @property {number} max_attempts
 * @property {?Progress} progress
 * @property {?number} position jobs ahead of it in its queue
 * @property {?number} eta_seconds
 * @property {string} created_at
 * @property {?string} started_at
 * @property {?string} finished_at
 * @property {?string} retry_at
 * @property {?string} cancel_requested_at
 * @property {?string} waiting_for
 * @property {unknown} result
 * @property {?string} result_url
 * @property {Artifact[]} artifacts
 * @property {?{code: string, message: string, type?: string}} error
 *
 * @typedef {object} JobEvent
 * @property {string} job_id
 * @property {number} seq
 * @property {string} type
 * @property {string} at RFC 3339
 * @property {any} data
 * @property {boolean} [reset] a snapshot that replaces all that was known
 *
 * @typedef {object} Kind
 * @property {string} kind
 * @property {string} description
 * @property {object} params_schema JSON Schema of an object
 */

import { authorization } from "./client/session.js";

export { changed, ended } from "./client/follow.js";

const ANSWER_MS = 30_000;
const UPLOAD_STALL_MS = 120_000;

/** A request that was refused (RFC 9457), or that found nobody (`status` 0, `code` "unreachable"). */
export class Refusal extends Error {
  /**
   * @param {number} status
   * @param {{code?: string, title?: string, detail?: string, errors?: object[]}} problem
   * @param {number} [retryAfter] seconds
   */
  constructor(status, problem, retryAfter) {
    super(problem.detail || problem.title || `The server answered ${status}.`);
    this.status = status;
    this.code = problem.code ?? "unknown";
    this.errors = problem.errors ?? [];
    this.retryAfter = retryAfter;
  }
}

/** A key that makes a repeated submission harmless. `randomUUID` is missing where the page came by plain HTTP. */
export function newKey() {
  if (crypto.randomUUID) return crypto.randomUUID();
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** @returns {Promise<Kind[]>} */
export async function listKinds() {
  return (await request("/api/kinds")).body.kinds;
}

/** The newest jobs first. @returns {Promise<Job[]>} */
export async function listJobs(limit = 20) {
  return (await request(`/api/jobs?limit=${limit}`)).body.jobs;
}

/**
 * A job as it stands; `job` is null while its ETag still is the given one.
 * @param {string} jobId
 * @param {string} [etag] of an earlier answer
 * @returns {Promise<{job: ?Job, etag: string, retryAfter: ?number}>} `retryAfter` in seconds
 */
export async function readJob(jobId, etag = "") {
  const { body, headers } = await request(jobUrl(jobId), etag ? { headers: { "If-None-Match": etag } } : {});
  return { job: body, etag: headers.get("ETag") ?? etag, retryAfter: retryAfterOf(headers) };
}

/** The events of a job after a seq, as far as they are kept. @returns {Promise<JobEvent[]>} */
export async function readLog(jobId, after = 0) {
  const answer = await request(`${jobUrl(jobId)}/events?after=${after}`, { headers: { Accept: "application/json" } });
  return answer.body.events;
}

/**
 * Submit a job. Sent again with the same key, it is the same job.
 * @param {string} kind
 * @param {object} params
 * @param {string} [key]
 * @returns {Promise<Job>}
 */
export async function submit(kind, params, key = newKey()) {
  const headers = { "Content-Type": "application/json", "Idempotency-Key": `"${key}"` };
  return (await request("/api/jobs", { method: "POST", headers, body: JSON.stringify({ kind, params }) })).body;
}

/** Ask for a job's end. Harmless when repeated or late. @returns {Promise<Job>} */
export async function cancel(jobId) {
  return (await request(`${jobUrl(jobId)}/cancel`, { method: "POST" })).body;
}

/**
 * Upload a file. By XMLHttpRequest, because fetch cannot tell how much has been sent.
 * @param {File} file
 * @param {{onProgress?: (sent: number, total: number) => void, signal?: AbortSignal}} [options] sizes in bytes
 * @returns {Promise<{input: string, name: string, size: number}>} `input` is what a job's params take
 */
export function upload(file, { onProgress = () => {}, signal } = {}) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const unreachable = () => reject(new Refusal(0, { code: "unreachable", detail: "The upload was interrupted." }));
    let stalled = setTimeout(() => request.abort(), UPLOAD_STALL_MS);
    request.upload.onprogress = ({ loaded, total }) => {
      clearTimeout(stalled);
      stalled = setTimeout(() => request.abort(), UPLOAD_STALL_MS);
      onProgress(loaded, total);
    };
    request.onload = () => {
      const body = parsed(request.responseText);
      if (request.status < 300) resolve(body);
      else reject(new Refusal(request.status, body));
    };
    request.onerror = request.onabort = unreachable;
    request.onloadend = () => clearTimeout(stalled);
    signal?.addEventListener("abort", () => request.abort());
    request.open("PUT", `/api/uploads/${encodeURIComponent(file.name)}`);
    for (const [name, value] of Object.entries(authorization())) request.setRequestHeader(name, value);
    request.send(file);
  });
}

/** Run a failed or cancelled job again. @returns {Promise<Job>} */
export async function retry(jobId) {
  return (await request(`${jobUrl(jobId)}/retry`, { method: "POST" })).body;
}

/** Forget a job that has ended, and its files. @returns {Promise<Job>} */
export async function purge(jobId) {
  return (await request(jobUrl(jobId), { method: "DELETE" })).body;
}

/** @param {string} jobId */
export function jobUrl(jobId) {
  return `/api/jobs/${encodeURIComponent(jobId)}`;
}

/** One request and its JSON; 304 has the body null. The HTTP cache stays out, so that we see each ETag ourselves. */
export async function request(url, options = {}) {
  let response, body;
  const headers = { ...authorization(), ...options.headers };
  try {
    response = await fetch(url, { cache: "no-store", signal: AbortSignal.timeout(ANSWER_MS), ...options, headers });
    body = response.status === 304 ? null : parsed(await response.text());
  } catch {
    throw new Refusal(0, { code: "unreachable", detail: "The server cannot be reached." });
  }
  const { ok, status } = response;
  if (ok || status === 304) return { body, headers: response.headers };
  throw new Refusal(status, body, retryAfterOf(response.headers));
}

function retryAfterOf(headers) {
  const seconds = Number.parseFloat(headers.get("Retry-After") ?? "");
  return Number.isFinite(seconds) ? seconds : null;
}

/** A proxy's error page is no JSON; it then says nothing beside its status. */
function parsed(text) {
  try {
    return JSON.parse(text) ?? {};
  } catch {
    return {};
  }
}
