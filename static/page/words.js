/** Numbers, times and jobs as people say them. Used by every component. */

import { ended } from "../tidings.js";

const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto", style: "narrow" });
const exact = new Intl.DateTimeFormat("en", { dateStyle: "medium", timeStyle: "medium" });
const SIZES = ["B", "kB", "MB", "GB", "TB"];
const LONGEST_SUMMARY = 160;

/** 1234567 → "1.2 MB" */
export function bytes(count) {
  const step = Math.min(Math.floor(Math.log10(Math.max(count, 1)) / 3), SIZES.length - 1);
  const value = count / 1000 ** step;
  return `${value.toFixed(step && value < 100 ? 1 : 0)} ${SIZES[step]}`;
}

/** 42.4 → "42 %"; 100 is said of nothing that is not done. */
export const percent = (value) => `${Math.floor(value)} %`;

/** 0.31 → "310 ms", 3.2 → "3.2 s", 75 → "1 min 15 s", 7300 → "2 h 1 min" */
export function duration(seconds) {
  if (seconds < 1) return `${Math.max(Math.round(seconds * 1000), 0)} ms`;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return join(Math.floor(whole / 60), "min", whole % 60, "s");
  return join(Math.floor(whole / 3600), "h", Math.floor((whole % 3600) / 60), "min");
}

/** What is left, no more exact than an estimate is: "about 2 min left" */
export function left(seconds) {
  if (seconds < 1) return "almost done";
  if (seconds < 90) return `${Math.ceil(seconds)} s left`;
  if (seconds < 5400) return `about ${Math.round(seconds / 60)} min left`;
  return `about ${Math.round(seconds / 3600)} h left`;
}

/** RFC 3339 → "now", "3 min. ago", "yesterday", "in 5 sec." */
export function ago(at, now = Date.now()) {
  const seconds = Math.round((Date.parse(at) - now) / 1000);
  if (Math.abs(seconds) < 60) return seconds < 0 && seconds > -3 ? "now" : relative.format(seconds, "second");
  if (Math.abs(seconds) < 3600) return relative.format(Math.round(seconds / 60), "minute");
  if (Math.abs(seconds) < 86_400) return relative.format(Math.round(seconds / 3600), "hour");
  return relative.format(Math.round(seconds / 86_400), "day");
}

/** A moment to come: "in 12 sec." */
const until = (at) => (Date.parse(at) - Date.now() > 5_000 ? ago(at) : "in a moment");

/** RFC 3339 → the date and time here */
export const moment = (at) => exact.format(new Date(at));

/** Seconds between two RFC 3339 times; the latter may be now. */
export const between = (from, to) => ((to ? Date.parse(to) : Date.now()) - Date.parse(from)) / 1000;

/** How long it ran, or has run. @param {Job} job */
export function took({ started_at: from, finished_at: to, status }) {
  return from && status !== "pending" ? duration(Math.max(between(from, to), 0)) : "";
}

/** What there is to say of it, beside its status. @param {Job} job */
export function messageOf(job) {
  if (job.status === "completed") return summaryOf(job.result);
  if (job.status === "failed") return job.error ? `${job.error.code}: ${job.error.message}` : "";
  if (ended(job)) return "";
  if (job.cancel_requested_at) return "stopping …";
  if (job.waiting_for) return `waiting for ${job.waiting_for}`;
  if (job.status === "processing") return job.progress?.message ?? "";
  if (job.suspended_at) return "suspended";
  if (job.retry_at) return `${job.attempt ? "again" : "starts"} ${until(job.retry_at)}`;
  if (job.position) return job.position === 1 ? "1 job ahead" : `${job.position} jobs ahead`;
  return "waiting for a worker";
}

/** Set a bar to where a job stands, and hand back the words for it. @param {HTMLProgressElement} bar @param {Job} job */
export function showBar(bar, { status, progress }) {
  const value = status === "completed" ? 100 : (progress?.percent ?? 0);
  if (status === "processing" && !progress) bar.removeAttribute("value");
  else if (bar.value !== value || !bar.hasAttribute("value")) bar.value = value;
  return status === "processing" && progress ? percent(value) : "";
}

/** A result at a glance: "rows 12 · format parquet". What does not fit one is for looking into the job. */
function summaryOf(result) {
  if (result === null || result === undefined) return "";
  const made = typeof result === "object" && !Array.isArray(result);
  const entries = made ? Object.entries(result).filter(([, value]) => typeof value !== "object") : [["", result]];
  const words = entries.map(([name, value]) => `${name.replaceAll("_", " ")} ${plain(value)}`.trim()).join(" · ");
  return words.length > LONGEST_SUMMARY ? "" : words;
}

/** A value as a word. */
export const plain = (value) => (typeof value === "string" ? value : JSON.stringify(value));

function join(large, largeUnit, small, smallUnit) {
  return small ? `${large} ${largeUnit} ${small} ${smallUnit}` : `${large} ${largeUnit}`;
}
