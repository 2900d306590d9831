/**
 * The client: submit jobs, follow them, get what they made. Knows no DOM and needs nothing but `fetch`; any page may
 * import it. As a page's one script it brings the elements along: `<tidings-progress>` and `<tidings-feed>`.
 */

import { changed, ended, jobUrl } from "./client/job.js";
import { follow as followed } from "./client/follow.js";
import { Refusal, Service, newKey, retryAfterOf } from "./client/service.js";
import { storedKey } from "./client/session.js";
import { Tabs } from "./client/tabs.js";
import { FEED } from "./client/topic.js";
import { upload as uploaded } from "./client/upload.js";

export { Refusal, changed, ended, jobUrl, newKey };

/**
 * @typedef {import("./client/job.js").Job} Job
 * @typedef {import("./client/job.js").JobEvent} JobEvent
 * @typedef {import("./client/follow.js").FollowOptions} FollowOptions
 * @typedef {import("./client/service.js").Token} Token
 * @typedef {import("./client/connection.js").State} State
 *
 * @typedef {object} Kind
 * @property {string} kind
 * @property {string} description
 * @property {any} params_schema JSON Schema of an object
 *
 * @typedef {object} Options
 * @property {string | URL} [base] where the service is; without it, where this file came from
 * @property {Token} [token] an API key, a JWT or a browser token, or a function that gets a fresh one
 * @property {string | (() => string)} [share] where `token` is a function: tabs in which this is the same have the same
 *   rights, and share one connection
 */

/** A job that ended otherwise than completed, where its result was wanted. */
export class NotCompleted extends Error {
  /** @param {Job} job */
  constructor(job) {
    super(job.error?.message ?? job.status);
    this.job = job;
  }
}

/** A service. All methods reject with a `Refusal`, and may be taken off it. */
export class Tidings {
  /** @param {Options} [options] */
  constructor({ base, token = "", share } = {}) {
    const shared = share ?? (typeof token === "function" ? null : token);
    const name = () => (typeof shared === "function" ? shared() : shared);
    this.service = new Service({ base, token });
    this.jobs = new Tabs(this.service, name, "jobs");
    this.all = new Tabs(this.service, name, "feed");
  }

  /**
   * One request, with what there is to show: for all that has no method here.
   * @type {Service["request"]}
   */
  request = (path, options) => this.service.request(path, options);

  /**
   * Submit a job, once however often the request has to be repeated. Sent again with the same key, it is the same job.
   * @param {string} kind
   * @param {object} [params]
   * @param {{key?: string, signal?: AbortSignal, [more: string]: unknown}} [more] `tags`, `priority` … (docs/api.md)
   * @returns {Promise<Job>}
   */
  submit = async (kind, params = {}, { key = newKey(), signal, ...more } = {}) => {
    const headers = { "Idempotency-Key": `"${key}"` };
    return (await this.request("/api/jobs", { json: { kind, params, ...more }, headers, signal, tries: 3 })).body;
  };

  /**
   * The job's events to its end, over as many connections as it takes; a snapshot first, or what comes `after` a seq.
   * @param {string | Job} job its id, or as it was last seen
   * @param {FollowOptions} [options]
   */
  follow = (job, options = {}) =>
    typeof job === "string" ? followed(this.jobs, job, options) : followed(this.jobs, job.job_id, { after: job.seq, ...options });

  /**
   * The events of all own jobs: a snapshot of each active one, then what happens. When it is "live" again after it was
   * not, ended jobs may have been missed: list them.
   * @param {FollowOptions} [options]
   */
  feed = (options = {}) => followed(this.all, FEED, options);

  /**
   * What the handler returned, once the job has completed. Rejects with NotCompleted when it ends otherwise.
   * @param {string} jobId
   * @param {{signal?: AbortSignal}} [options]
   * @returns {Promise<any>}
   */
  result = async (jobId, { signal } = {}) => {
    for await (const _ of this.follow(jobId, { signal }));
    signal?.throwIfAborted();
    const job = /** @type {Job} */ ((await this.readJob(jobId)).job);
    if (job.status !== "completed") throw new NotCompleted(job);
    if (job.result !== null || job.artifacts.length || !job.result_url) return job.result;
    return (await this.request(`${jobUrl(jobId)}/result`, { signal, tries: 3 })).body;
  };

  /** Ask for a job's end. Harmless when repeated or late. @param {string} jobId @returns {Promise<Job>} */
  cancel = async (jobId) => (await this.request(`${jobUrl(jobId)}/cancel`, { method: "POST", tries: 3 })).body;

  /** Run a failed or cancelled job again. @param {string} jobId @returns {Promise<Job>} */
  retry = async (jobId) => (await this.request(`${jobUrl(jobId)}/retry`, { method: "POST" })).body;

  /** Forget a job that has ended, and its files. @param {string} jobId @returns {Promise<Job>} as it was */
  purge = async (jobId) => (await this.request(jobUrl(jobId), { method: "DELETE" })).body;

  /**
   * A job as it stands; `job` is null while its ETag still is the given one.
   * @param {string} jobId
   * @param {string} [etag] of an earlier answer
   * @returns {Promise<{job: ?Job, etag: string, retryAfter: ?number}>} `retryAfter` in seconds
   */
  readJob = async (jobId, etag = "") => {
    const { body, headers } = await this.request(jobUrl(jobId), etag ? { headers: { "If-None-Match": etag } } : {});
    return { job: body, etag: headers.get("ETag") ?? etag, retryAfter: retryAfterOf(headers) };
  };

  /** The events of a job after a seq, as far as they are kept. @param {string} jobId @returns {Promise<JobEvent[]>} */
  readLog = async (jobId, after = 0) =>
    (await this.request(`${jobUrl(jobId)}/events?after=${after}`, { headers: { Accept: "application/json" } })).body.events;

  /**
   * Own jobs, the newest first.
   * @param {Record<string, string | number | string[]>} [filters] `status`, `kind`, `tag`, `limit`, `cursor` … (docs/api.md)
   * @returns {Promise<{jobs: Job[], next_cursor: ?string}>}
   */
  listJobs = async (filters = {}) => {
    const given = Object.entries(filters).flatMap(([name, value]) => [value].flat().map((word) => [name, String(word)]));
    return (await this.request(`/api/jobs?${new URLSearchParams(given)}`)).body;
  };

  /** What can be submitted. @returns {Promise<Kind[]>} */
  listKinds = async () => (await this.request("/api/kinds")).body.kinds;

  /**
   * Send a file, in pieces; an interrupted connection is gone on with.
   * @param {Blob} file
   * @param {import("./client/upload.js").UploadOptions} [options]
   */
  upload = (file, options) => uploaded(this.service, file, options);
}

/** The service this file came from, with the key that was entered on its page, if any. */
export const tidings = new Tidings({ token: storedKey, share: storedKey });
export const { request, submit, follow, feed, result, cancel, retry, purge } = tidings;
export const { readJob, readLog, listJobs, listKinds, upload } = tidings;

// As a page's own script, not where another one imports it.
if ([...(globalThis.document?.scripts ?? [])].some(({ src }) => src === import.meta.url)) {
  import("./elements/progress.js");
  import("./elements/feed.js");
}
