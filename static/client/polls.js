/** All topics by asking, each as soon as the service welcomes it (`Retry-After`). A job's log leaves nothing out. */

import { jobUrl } from "./job.js";
import { Refusal, pauseAfter } from "./service.js";
import { FEED } from "./topic.js";

/** @typedef {import("./connection.js").Connection} Connection @typedef {import("./topic.js").Topic} Topic */

const FEED_MS = 5_000;
const LONGEST_PAUSE_S = 15;
const LONGEST_OUTAGE_MS = 6_000;
const FEED_JOBS = 50;

/** Ask for what is due. @param {Connection} connection @returns {Promise<number>} milliseconds until more is */
export async function polls(connection) {
  const lost = !connection.reachable;
  for (const topic of [...connection.topics.values()]) {
    if (topic.due <= Date.now()) topic.due = Date.now() + (await asked(connection, topic));
    if (!connection.reachable) return topic.due - Date.now();
  }
  if (lost) return 0; // there are better ways than this
  const due = Math.min(...[...connection.topics.values()].map((topic) => topic.due));
  return Math.max(due - Date.now(), 1);
}

/** @param {Connection} connection @param {Topic} topic */
async function asked(connection, topic) {
  try {
    const { turn } = topic;
    const { events, retryAfter } = await (topic.name === FEED ? newest : missed)(connection, topic);
    connection.reachable = true;
    connection.show("polling");
    if (topic.turn !== turn) return 0;
    topic.ready = true;
    topic.quiet = events.length ? 0 : topic.quiet + 1;
    for (const event of events) connection.hear(topic.name, event);
    if (topic.atEnd && !events.length) connection.end(topic.name);
    if (topic.atEnd) return 0; // whether it was run again
    return (retryAfter || Math.min(2 ** topic.quiet, LONGEST_PAUSE_S)) * 1000 * (1 + Math.random() / 5);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    topic.quiet += 1;
    if (error.status === 429) connection.show("polling");
    else if (error.passing || error.status >= 500) connection.lose();
    else connection.end(topic.name, error);
    return Math.min(pauseAfter(error, topic.quiet), Math.max(LONGEST_OUTAGE_MS, (error.retryAfter ?? 0) * 1200));
  }
}

/** What happened since, or how it stands. @param {Connection} connection @param {Topic} topic */
async function missed({ service }, { name, seq }) {
  const Accept = "application/json";
  const fresh = seq === null;
  const { body, headers } = await service.request(`${jobUrl(name)}${fresh ? "" : `/events?after=${seq}`}`, { headers: { Accept } });
  const retryAfter = Number(headers.get("Retry-After"));
  if (!fresh) return { events: body.events, retryAfter };
  return { events: [{ job_id: name, seq: body.seq, type: "snapshot", at: body.updated_at, data: body }], retryAfter };
}

/** @param {Connection} connection */
async function newest({ service }) {
  const { body } = await service.request(`/api/jobs?limit=${FEED_JOBS}`);
  const events = body.jobs.map((/** @type {any} */ job) => {
    return { job_id: job.job_id, seq: job.seq, type: "snapshot", at: job.updated_at, data: job };
  });
  return { events: events.reverse(), retryAfter: FEED_MS / 1000 };
}
