/**
 * The client: submit jobs, follow them, get what they made. Knows no DOM and needs nothing but `fetch`; any page may
 * import it. As a page's own script it brings the elements along: `<tidings-progress>` and `<tidings-feed>`.
 */

import { follow as followed } from "./client/follow.js";
import { changed, ended, jobUrl } from "./client/job.js";
import { Refusal, Service, newKey, retryAfterOf } from "./client/service.js";
import { storedKey } from "./client/session.js";
import { Tabs } from "./client/tabs.js";
import { FEED } from "./client/topic.js";
import { upload as uploaded } from "./client/upload.js";

export { Refusal, changed, ended, jobUrl, newKey };

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
  /** @param {TidingsOptions} [options] */
  constructor({ token = "", share = typeof token === "string" ? token : undefined, ...where } = {}) {
    const shared = () => (typeof share === "function" ? share() : (share ?? null));
    this.service = new Service({ token, ...where });
    this.jobs = new Tabs(this.service, "jobs", shared);
    this.all = new Tabs(this.service, "feed", shared);
  }

  /** One request, with what there is to show: for all that has no method here. @type {Service["request"]} */
  request = (path, options) => this.service.request(path, options);

  /**
   * Submit a job, once however often the request has to be repeated. Sent again with the same key, it is the same job.
   * `more` is `tags`, `priority` … (docs/api.md).
   * @param {string} kind @param {object} [params]
   * @param {{key?: string, signal?: AbortSignal, [more: string]: unknown}} [more] @returns {Promise<Job>}
   */
  submit = async (kind, params = {}, { key = newKey(), signal, ...more } = {}) => {
    const headers = { "Idempotency-Key": `"${key}"` };
    return (await this.request("/api/jobs", { json: { kind, params, ...more }, headers, signal, tries: 3 })).body;
  };

  /**
   * The job's events to its end, over as many connections as it takes: a snapshot first, or what comes `after` a seq.
   * @param {string | Job} job its id, or as it was last seen @param {FollowOptions} [options]
   */
  follow = (job, options) => {
    if (typeof job === "string") return followed(this.jobs, job, options);
    return followed(this.jobs, job.job_id, { after: job.seq, ...options });
  };

  /**
   * The events of all own jobs: a snapshot of each active one, then what happens. When it is "live" again after it was
   * not, some may have ended unheard: list them.
   * @param {FollowOptions} [options]
   */
  feed = (options) => followed(this.all, FEED, options);

  /**
   * What the handler returned, once the job has completed. Rejects with NotCompleted when it ends otherwise.
   * @param {string} jobId @param {{signal?: AbortSignal}} [options] @returns {Promise<any>}
   */
  result = async (jobId, { signal } = {}) => {
    for await (const _ of this.follow(jobId, { signal }));
    const { body: job } = await this.request(jobUrl(jobId), { signal, tries: 3 });
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
   * A job as it stands; null while its ETag is still the given one. `retryAfter` is in seconds.
   * @param {string} jobId @param {string} [etag] @returns {Promise<{job: ?Job, etag: string, retryAfter: number}>}
   */
  readJob = async (jobId, etag = "") => {
    const { body, headers } = await this.request(jobUrl(jobId), etag ? { headers: { "If-None-Match": etag } } : {});
    return { job: body, etag: headers.get("ETag") ?? etag, retryAfter: retryAfterOf(headers) };
  };

  /** The events of a job after a seq, as far as they are kept. @param {string} jobId @returns {Promise<JobEvent[]>} */
  readLog = async (jobId, after = 0) => {
    const headers = { Accept: "application/json" };
    return (await this.request(`${jobUrl(jobId)}/events?after=${after}`, { headers })).body.events;
  };

  /**
   * Own jobs, the newest first, by `status`, `kind`, `tag`, `limit`, `cursor` … (docs/api.md).
   * @param {Record<string, string | number | string[]>} [filters] @returns {Promise<{jobs: Job[], next_cursor: ?string}>}
   */
  listJobs = async (filters = {}) => {
    const given = Object.entries(filters).flatMap(([name, value]) => [value].flat().map((word) => [name, String(word)]));
    return (await this.request(`/api/jobs?${new URLSearchParams(given)}`)).body;
  };

  /** What can be submitted. @returns {Promise<Kind[]>} */
  listKinds = async () => (await this.request("/api/kinds")).body.kinds;

  /** Send a file, in pieces; what breaks off is gone on with. @param {Blob} file @param {UploadOptions} [options] */
  upload = (file, options) => uploaded(this.service, file, options);

  /** End all that is followed, by a Refusal (`closed`), and let go of what it holds. It may be used again. */
  close = () => {
    this.jobs.close();
    this.all.close();
  };
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
