/**
 * Server-Sent Events, read by `fetch`: an EventSource cannot show a token, tells no refusal apart, and does not say
 * that it still hears the comments. Browsers open six connections per host over HTTP/1.1, and the seventh request hangs
 * without a word; so all tabs together hold three streams.
 */

import { jobUrl } from "./job.js";
import { refusalOf } from "./service.js";
import { FEED, NO_USE } from "./topic.js";

/** @typedef {import("./connection.js").Connection} Connection @typedef {import("./topic.js").Topic} Topic */

const SLOTS = 3;
const FIRST_MS = 4_000;
const SILENCE_MS = 40_000;
const SHORTEST_RETRY_MS = 250;

/** Carry each topic by a stream of its own. @param {Connection} connection @returns {Promise<number>} */
export async function streams(connection) {
  const carried = new Map([...connection.topics.values()].map((topic) => [topic, topic.turn]));
  if (carried.size > SLOTS || !globalThis.navigator?.locks) return NO_USE;
  const quit = new AbortController();
  connection.changed = () => {
    const now = [...connection.topics.values()];
    if (now.length !== carried.size || now.some((topic) => carried.get(topic) !== topic.turn)) quit.abort();
  };
  const listened = [...carried.keys()].map((topic) =>
    inSlot(connection.service.base.origin, () => listen(connection, topic, quit)),
  );
  const rests = await Promise.all(listened);
  return rests.includes(NO_USE) ? NO_USE : Math.max(...rests);
}

/** @param {string} origin @param {() => Promise<number>} run */
async function inSlot(origin, run) {
  for (let n = 1; n <= SLOTS; n += 1) {
    const name = `tidings stream ${n} ${origin}`;
    const rest = await navigator.locks.request(name, { ifAvailable: true }, (lock) => (lock ? run() : null));
    if (rest !== null) return rest;
  }
  return NO_USE;
}

/** @param {Connection} connection @param {Topic} topic @param {AbortController} quit @returns {Promise<number>} */
async function listen(connection, topic, quit) {
  let heard = false;
  let given = false;
  let retry = SHORTEST_RETRY_MS;
  let timer = setTimeout(() => quit.abort("late"), FIRST_MS);
  /** @param {string} block */
  const take = (block) => {
    heard ||= !block.startsWith("retry:");
    for (const line of block.split("\n")) {
      if (line.startsWith("data:")) connection.hear(topic.name, JSON.parse(line.slice(5)));
      if (line.startsWith("retry:")) retry = Number(line.slice(6));
    }
  };
  try {
    const response = await connection.service.fetch(urlOf(topic), {
      headers: { Accept: "text/event-stream" },
      signal: quit.signal,
    });
    if (response.status !== 200) return await refused(connection, topic, response);
    topic.ready = true;
    for await (const block of blocksOf(response)) {
      clearTimeout(timer);
      timer = setTimeout(() => quit.abort("silent"), SILENCE_MS);
      connection.show("live");
      take(block);
    }
    if (topic.atEnd) connection.end(topic.name);
  } catch (error) {
    if (!(error instanceof DOMException || error instanceof TypeError || quit.signal.aborted)) throw error;
  } finally {
    clearTimeout(timer);
    given = quit.signal.aborted && typeof quit.signal.reason !== "string";
    quit.abort();
  }
  if (given || topic.atEnd) return 0;
  return heard ? retry * (0.1 + Math.random() / 5) : NO_USE;
}

/** @param {Connection} connection @param {Topic} topic @param {Response} response */
async function refused(connection, topic, response) {
  const refusal = response.status === 204 ? undefined : refusalOf(response, await response.text());
  if (refusal && (refusal.passing || refusal.status >= 500)) return NO_USE;
  connection.end(topic.name, refusal);
  return 0;
}

/** The server ends its lines by LF alone. @param {Response} response @returns {AsyncGenerator<string>} */
async function* blocksOf(response) {
  const bytes = /** @type {ReadableStream<BufferSource>} */ (response.body);
  const reader = bytes.pipeThrough(new TextDecoderStream()).getReader();
  for (let rest = ""; ; ) {
    const { done, value } = await reader.read();
    if (done) return;
    const blocks = (rest + value).split("\n\n");
    rest = /** @type {string} */ (blocks.pop());
    yield* blocks;
  }
}

/** @param {Topic} topic */
function urlOf({ name, seq }) {
  if (name === FEED) return "/api/events";
  return `${jobUrl(name)}/events${seq === null ? "" : `?after=${seq}`}`;
}
