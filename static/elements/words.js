/** What the elements say. */

/** 42.4 → "42 %"; 100 is said of nothing that is not done. @param {number} value */
export const percent = (value) => `${Math.floor(value)} %`;

/** What is left, no more exact than an estimate is. @param {number} seconds */
export function left(seconds) {
  if (seconds < 1) return "almost done";
  if (seconds < 90) return `${Math.ceil(seconds)} s left`;
  if (seconds < 5400) return `about ${Math.round(seconds / 60)} min left`;
  return `about ${Math.round(seconds / 3600)} h left`;
}

/** @param {Job} job */
export function messageOf(job) {
  if (job.status === "failed") return job.error?.message ?? "";
  if (job.status === "completed" || job.status === "cancelled") return "";
  if (job.cancel_requested_at) return "stopping …";
  if (job.waiting_for) return `waiting for ${job.waiting_for}`;
  if (job.status === "processing") return job.progress?.message ?? "";
  if (job.suspended_at) return "suspended";
  if (job.retry_at) return "is tried again soon";
  if (job.position) return job.position === 1 ? "1 job ahead" : `${job.position} jobs ahead`;
  return "";
}

/** Why nothing is shown. @param {{status?: number}} refusal */
export function troubleOf({ status }) {
  if (status === 404 || status === 410) return "This job is not known any more.";
  return status === 401 || status === 403 ? "This job may not be seen from here." : "This job cannot be shown.";
}
