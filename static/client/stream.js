/**
 * Server-Sent Events, read by `fetch`: an EventSource shows no token, tells no refusal apart, and does not say that it
 * still hears comments. Browsers open six connections per host over HTTP/1.1, and the seventh request hangs without a
 * word; so all tabs together hold three streams.
 */

import { jobUrl } from "./job.js";
import { refusalOf } from "./service.js";
import { FEED, NO_USE } from "./topic.js";

const SLOTS = 3;
const FIRST_MS = 4_000;
const SILENCE_MS = 40_000;
const RETRY_MS = 250;

/** @type {Way} carries one topic, while a slot is free */
export async function stream(connection) {
  for (let n = 1; globalThis.navigator?.locks && n <= SLOTS; n += 1) {
    const name = `tidings stream ${n} ${connection.service.base.origin}`;
    const listened = (/** @type {?Lock} */ lock) => (lock ? listen(connection) : null);
    const rest = await navigator.locks.request(name, { ifAvailable: true }, listened).catch(() => NO_USE);
    if (rest !== null) return rest;
  }
  return NO_USE;
}

/** @type {Way} */
async function listen(connection) {
  const [topic] = connection.topics.values();
  if (!topic || connection.topics.size > 1) return 0; // others came while the slot did
  const { name, seq, turn } = topic;
  const quit = new AbortController();
  const isStill = () => connection.topics.size === 1 && connection.topics.get(name) === topic && topic.turn === turn;
  connection.changed = () => isStill() || quit.abort();
  let heard = false;
  let retry = RETRY_MS;
  let timer = setTimeout(() => quit.abort(), FIRST_MS);
  try {
    const path = name === FEED ? "/api/events" : `${jobUrl(name)}/events${seq === null ? "" : `?after=${seq}`}`;
    const headers = { Accept: "text/event-stream" };
    const response = await connection.service.fetch(path, { headers, signal: quit.signal });
    if (response.status !== 200) return await refused(connection, name, response);
    topic.ready = true;
    for await (const line of linesOf(response)) {
      clearTimeout(timer);
      timer = setTimeout(() => quit.abort(), SILENCE_MS);
      connection.show("live");
      if (!line.startsWith("retry:")) heard ||= line !== "";
      else if (heard) retry = Number(line.slice(6)); // a farewell; the first is for an EventSource
      if (line.startsWith("data:")) connection.hear(name, JSON.parse(line.slice(5)));
    }
    if (topic.atEnd) connection.end(name);
  } catch (error) {
    if (!quit.signal.aborted && !(error instanceof TypeError)) throw error;
  } finally {
    clearTimeout(timer);
    quit.abort();
  }
  if (!isStill()) return 0;
  return heard ? retry * (1 + Math.random()) : NO_USE;
}

/** @param {Connection} connection @param {string} name @param {Response} response */
async function refused(connection, name, response) {
  const refusal = response.status === 204 ? undefined : refusalOf(response, await response.text());
  if (refusal && (refusal.passing || refusal.status >= 500)) return NO_USE;
  connection.end(name, refusal);
  return 0;
}

/** The server ends its lines by LF alone. @param {Response} response @returns {AsyncGenerator<string>} */
async function* linesOf(response) {
  const bytes = /** @type {ReadableStream<BufferSource>} */ (response.body);
  const reader = bytes.pipeThrough(new TextDecoderStream()).getReader();
  for (let rest = ""; ; ) {
    const { done, value } = await reader.read();
    if (done) return;
    const lines = (rest + value).split("\n");
    rest = /** @type {string} */ (lines.pop());
    yield* lines;
  }
}
