/**
 * One job, followed to its end: by EventSource, and where streams are blocked or all slots taken, by polling.
 * Knows no DOM.
 */

import { Refusal, jobUrl, readJob } from "../tidings.js";

/** @typedef {import("../tidings.js").Job} Job */
/** @typedef {import("../tidings.js").JobEvent} JobEvent */
/** @typedef {"live" | "reconnecting" | "polling" | "offline" | "gone"} Connection */

/**
 * @typedef {object} Listener
 * @property {(job: Job) => void} onJob the job after each change
 * @property {(event: JobEvent) => void} onEvent each event, once, in order; snapshots too
 * @property {(connection: Connection) => void} onConnection
 * @property {() => Promise<?() => void>} takeSlot leave to hold a stream open, as its release; null: poll for now
 * @property {AbortSignal} signal
 */

export const EVENT_TYPES = [
  "snapshot", "pending", "position", "suspended", "resumed", "processing", "progress", "log", "waiting",
  "cancel_requested", "artifact", "metric", "completed", "failed", "cancelled",
];

const FIRST_EVENT_MS = 4_000;
const RECONNECT_MS = 8_000;
const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 15_000;
const FIRST_STREAM_BREAK_MS = 30_000;
const LONGEST_STREAM_BREAK_MS = 300_000;

const ENDS = new Set(["completed", "failed", "cancelled"]);

/** Whether nothing follows. @param {Job} job */
export const ended = ({ status }) => ENDS.has(status);

/** What each event changes about a job, beside its seq. */
const CHANGES = {
  pending: ({ data }) => ({
    status: "pending", retry_at: data.retry_at ?? null, waiting_for: null, eta_seconds: null,
  }),
  position: ({ data }) => data,
  suspended: ({ at }) => ({ suspended_at: at, position: null }),
  resumed: () => ({ suspended_at: null }),
  processing: ({ data, at }) => ({
    status: "processing", attempt: data.attempt, started_at: at, retry_at: null, waiting_for: null, progress: null,
    eta_seconds: null,
  }),
  progress: ({ data }) => ({ progress: data, eta_seconds: data.eta_seconds ?? null }),
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
  return { ...job, ...CHANGES[event.type]?.(event), seq: event.seq };
}

/**
 * Follow a job until it ends, is gone, or the signal aborts; never rejects.
 * @param {Job} job as it was last seen
 * @param {Listener} listener
 */
export async function follow(job, listener) {
  const watch = new Watch(job, listener);
  let streamBreak = FIRST_STREAM_BREAK_MS;
  let nextStream = 0;
  while (!watch.over) {
    const release = watch.reachable && Date.now() >= nextStream ? await listener.takeSlot() : null;
    if (release) {
      const heard = await stream(watch).finally(release);
      nextStream = heard ? 0 : Date.now() + streamBreak;
      streamBreak = heard ? FIRST_STREAM_BREAK_MS : Math.min(streamBreak * 2, LONGEST_STREAM_BREAK_MS);
    }
    if (!watch.over) await poll(watch);
  }
  while (watch.brief) await poll(watch);
}

/** What is known of the job, and who is told. What is no news is dropped. */
class Watch {
  constructor(job, listener) {
    this.job = job;
    this.listener = listener;
    this.etag = "";
    this.quietPolls = 0;
    this.reachable = true;
    this.gone = false;
    this.told = false;
  }

  /** Whether there is nothing left to wait for. */
  get over() {
    return this.gone || ended(this.job) || this.listener.signal.aborted;
  }

  /** Whether the end is known from its event alone; only the job object has the artifacts and the expiry. */
  get brief() {
    return this.told && !this.gone && !this.listener.signal.aborted;
  }

  /** @param {JobEvent} event */
  hear(event) {
    const snapshot = event.type === "snapshot";
    if (event.seq < this.job.seq && !event.reset) return;
    if (event.seq === this.job.seq && !snapshot) return;
    this.told = ENDS.has(event.type);
    this.job = changed(this.job, event);
    this.listener.onEvent(event);
    this.listener.onJob(this.job);
  }

  /** @param {Job} job */
  see(job) {
    if (job.seq < this.job.seq) return;
    this.told = false;
    this.job = job;
    this.listener.onJob(job);
  }
}

/** Listen until the end, or until that is of no more use. Resolves to whether anything was heard. */
function stream(watch) {
  const { signal, onConnection } = watch.listener;
  return new Promise((resolve) => {
    const source = new EventSource(`${jobUrl(watch.job.job_id)}/events`);
    let heard = false;
    const finish = () => {
      clearTimeout(deadline);
      signal.removeEventListener("abort", finish);
      source.close();
      resolve(heard);
    };
    let deadline = setTimeout(finish, FIRST_EVENT_MS);
    const alive = () => {
      clearTimeout(deadline);
      onConnection("live");
    };
    source.onopen = () => heard && alive(); // the first time only its snapshot proves that no proxy holds it back
    source.onerror = () => {
      if (!heard || source.readyState === EventSource.CLOSED) return finish();
      onConnection("reconnecting");
      clearTimeout(deadline);
      deadline = setTimeout(finish, RECONNECT_MS);
    };
    for (const type of EVENT_TYPES) {
      source.addEventListener(type, ({ data }) => {
        heard = true;
        alive();
        watch.hear(JSON.parse(data));
        if (watch.over) finish();
      });
    }
    signal.addEventListener("abort", finish);
  });
}

/** Ask once; unless that was the last, then wait until asking again is welcome. */
async function poll(watch) {
  const { signal, onConnection } = watch.listener;
  let retryAfter;
  try {
    const answer = await readJob(watch.job.job_id, watch.etag);
    ({ etag: watch.etag, retryAfter } = answer);
    watch.reachable = true;
    watch.quietPolls = answer.job ? 0 : watch.quietPolls + 1;
    if (answer.job) watch.see(answer.job);
    onConnection("polling");
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    ({ retryAfter } = error);
    watch.reachable = error.status === 429;
    watch.gone = error.status === 404 || error.status === 410;
    watch.quietPolls += 1;
    onConnection(troubleOf(watch));
  }
  if (watch.over && !watch.brief) return;
  const growing = Math.min(FIRST_PAUSE_MS * 2 ** watch.quietPolls, LONGEST_PAUSE_MS);
  await pause((retryAfter ? retryAfter * 1000 : growing) * (1 + Math.random() / 5), signal); // never early, nor in step
}

function troubleOf({ gone, reachable }) {
  if (gone) return "gone";
  return reachable ? "polling" : "offline";
}

function pause(milliseconds, signal) {
  return new Promise((resolve) => {
    const wake = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", wake);
      resolve();
    };
    const timer = setTimeout(wake, milliseconds);
    signal.addEventListener("abort", wake);
  });
}
