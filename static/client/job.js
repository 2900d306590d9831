/** A job, and what each event changes about it. */

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
 * @property {string} content_type
 * @property {string} url
 *
 * @typedef {object} Job the job object of every transport; docs/api.md has the rest of it
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
 * @property {?string} suspended_at
 * @property {?string} cancel_requested_at
 * @property {?string} waiting_for
 * @property {any} result
 * @property {?string} result_url
 * @property {Artifact[]} artifacts
 * @property {?{code: string, message: string, type?: string}} error
 * @property {string[]} [tags]
 *
 * @typedef {object} JobEvent
 * @property {string} job_id
 * @property {number} seq
 * @property {string} type
 * @property {string} at RFC 3339
 * @property {any} data
 * @property {boolean} [reset] a snapshot that replaces all that was known
 */

const ENDS = new Set(["completed", "failed", "cancelled"]);

/** Whether nothing follows. @param {{status: string}} job */
export const ended = ({ status }) => ENDS.has(status);

/** Whether an event says so. @param {JobEvent} event */
export const ends = ({ type, data }) => ENDS.has(type) || (type === "snapshot" && ended(data));

/** What each event changes, beside the seq. @type {Record<string, (event: JobEvent, job: Job) => Partial<Job>>} */
const CHANGES = {
  pending: ({ data }) => ({
    status: "pending", retry_at: data.retry_at ?? null, waiting_for: null, eta_seconds: null, finished_at: null, error: null,
  }),
  position: ({ data }) => data,
  suspended: ({ at }) => ({ suspended_at: at, position: null }),
  resumed: () => ({ suspended_at: null }),
  processing: ({ data, at }) => ({
    status: "processing", attempt: data.attempt, started_at: at, retry_at: null, waiting_for: null, progress: null,
    position: null, eta_seconds: null,
  }),
  progress: ({ data }) => ({ progress: data, eta_seconds: data.eta_seconds ?? null }),
  artifact: ({ data }, { artifacts }) => ({ artifacts: [...artifacts.filter(({ name }) => name !== data.name), data] }),
  waiting: ({ data }) => ({ waiting_for: data.for }),
  cancel_requested: ({ at }) => ({ cancel_requested_at: at }),
  completed: ({ data, at }) => ({
    status: "completed", finished_at: at, result: data.result ?? null, result_url: data.result_url ?? null,
  }),
  failed: ({ data, at }) => ({ status: "failed", finished_at: at, error: data.error }),
  cancelled: ({ at }) => ({ status: "cancelled", finished_at: at }),
};

/** The job after an event. @param {Job} job @param {JobEvent} event @returns {Job} */
export function changed(job, event) {
  if (event.type === "snapshot") return event.data;
  return { ...job, ...CHANGES[event.type]?.(event, job), seq: event.seq };
}

/** @param {string} jobId */
export const jobUrl = (jobId) => `/api/jobs/${encodeURIComponent(jobId)}`;
