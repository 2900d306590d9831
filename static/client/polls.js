/** All topics by asking, each as soon as the service welcomes it (`Retry-After`). A job's log leaves nothing out. */

import { jobUrl } from "./job.js";
import { Refusal, pauseAfter, retryAfterOf } from "./service.js";
import { FEED } from "./topic.js";

const LONGEST_PAUSE_S = 15;
const LONGEST_OUTAGE_MS = 6_000;
const FEED_S = 5;
const FEED_JOBS = 50;

/** @type {Way} asks for what is due */
export async function polls(connection) {
  const lost = !connection.reachable;
  const topics = [...connection.topics.values()];
  for (const topic of topics) {
    if (topic.due <= Date.now()) topic.due = Date.now() + (await ask(connection, topic));
    if (!connection.reachable) return topic.due - Date.now();
  }
  const due = Math.min(...[...connection.topics.values()].map((topic) => topic.due)); // of those that came meanwhile, too
  return lost ? 0 : Math.max(due - Date.now(), 1); // once it is found again there are better ways
}

/** Until the next is welcome. @param {Connection} connection @param {Topic} topic */
async function ask(connection, topic) {
  const { name, turn } = topic;
  try {
    const { events, seconds } = await (name === FEED ? newest : missed)(connection.service, topic);
    connection.reachable = true;
    connection.show("polling");
    if (topic.turn !== turn) return 0;
    topic.ready = true;
    topic.quiet = events.length ? 0 : topic.quiet + 1;
    for (const event of events) connection.hear(name, event);
    if (topic.atEnd && !events.length) connection.end(name);
    if (topic.atEnd) return 0; // unless it was run again
    return (seconds || Math.min(2 ** topic.quiet, LONGEST_PAUSE_S)) * 1000 * (1 + Math.random() / 5);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    topic.quiet += 1;
    if (error.status === 429) connection.show("polling");
    else if (error.passing || error.status >= 500) connection.lose();
    else connection.end(name, error);
    return Math.min(pauseAfter(error, topic.quiet), Math.max(LONGEST_OUTAGE_MS, error.retryAfter * 1200));
  }
}

/** What happened since, or how it stands. @param {Service} service @param {Topic} topic */
async function missed(service, { name, seq }) {
  const path = seq === null ? jobUrl(name) : `${jobUrl(name)}/events?after=${seq}`;
  const { body, headers } = await service.request(path, { headers: { Accept: "application/json" } });
  return { events: seq === null ? [snapshot(body)] : body.events, seconds: retryAfterOf(headers) };
}

/** @param {Service} service */
async function newest(service) {
  const { body } = await service.request(`/api/jobs?limit=${FEED_JOBS}`);
  return { events: body.jobs.reverse().map(snapshot), seconds: FEED_S };
}

/** @param {Job} job @returns {JobEvent} */
const snapshot = (job) => ({ job_id: job.job_id, seq: job.seq, type: "snapshot", at: job.updated_at, data: job });
