/** Numbers and times as people say them. Used by every component. */

const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto", style: "long" });
const exact = new Intl.DateTimeFormat("en", { dateStyle: "medium", timeStyle: "medium" });
const SIZES = ["B", "kB", "MB", "GB", "TB"];

/** 1234567 → "1.2 MB" */
export function bytes(count) {
  const step = Math.min(Math.floor(Math.log10(Math.max(count, 1)) / 3), SIZES.length - 1);
  const value = count / 1000 ** step;
  return `${value.toFixed(step && value < 100 ? 1 : 0)} ${SIZES[step]}`;
}

/** 42.4 → "42 %"; 100 is said of nothing that is not done. */
export const percent = (value) => `${Math.floor(value)} %`;

/** 3.2 → "3.2 s", 75 → "1 min 15 s", 7300 → "2 h 1 min" */
export function duration(seconds) {
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

/** RFC 3339 → "just now", "3 minutes ago", "yesterday", "in 5 seconds" */
export function ago(at, now = Date.now()) {
  const seconds = Math.round((Date.parse(at) - now) / 1000);
  if (Math.abs(seconds) < 45) return seconds > 5 ? relative.format(seconds, "second") : "just now";
  if (Math.abs(seconds) < 3600) return relative.format(Math.round(seconds / 60), "minute");
  if (Math.abs(seconds) < 86_400) return relative.format(Math.round(seconds / 3600), "hour");
  return relative.format(Math.round(seconds / 86_400), "day");
}

/** A moment to come: "in 12 seconds" */
export const until = (at) => (Date.parse(at) - Date.now() > 5_000 ? ago(at) : "in a moment");

/** RFC 3339 → the date and time here */
export const moment = (at) => exact.format(new Date(at));

/** Seconds between two RFC 3339 times */
export const between = (from, to) => (Date.parse(to) - Date.parse(from)) / 1000;

function join(large, largeUnit, small, smallUnit) {
  return small ? `${large} ${largeUnit} ${small} ${smallUnit}` : `${large} ${largeUnit}`;
}
