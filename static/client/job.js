/** A job, and what each event changes about it. */

const ENDS = new Set(["completed", "failed", "cancelled"]);

/** Whether nothing follows. @param {{status: string}} job */
export const ended = ({ status }) => ENDS.has(status);

/** Whether an event says so. @param {JobEvent} event */
export const ends = ({ type, data }) => ENDS.has(type) || (type === "snapshot" && ended(data));

/** @param {string} jobId */
export const jobUrl = (jobId) => `/api/jobs/${encodeURIComponent(jobId)}`;

/** Beside the seq. @type {Record<string, (event: JobEvent, job: Job) => Partial<Job>>} */
const CHANGES = {
  pending: ({ data }) => ({
    status: "pending", retry_at: data.retry_at ?? null, waiting_for: null, eta_seconds: null, finished_at: null,
    error: null,
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
export const changed = (job, event) =>
  event.type === "snapshot" ? event.data : { ...job, ...CHANGES[event.type]?.(event, job), seq: event.seq };
