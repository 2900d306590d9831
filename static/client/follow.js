/** A job's events as an async iterator, or those of all jobs: what the connection tells, each once and in order. */

import { Refusal } from "./service.js";

/**
 * @typedef {import("./job.js").JobEvent} JobEvent
 * @typedef {import("./connection.js").State} State
 *
 * @typedef {object} FollowOptions
 * @property {?number} [after] the seq that is known; 0 for the whole log. Without it a snapshot comes first
 * @property {AbortSignal} [signal] ends it, without an error
 * @property {(state: State) => void} [onConnection]
 */

const MOST_QUEUED = 1_000;

/**
 * @param {import("./tabs.js").Tabs} tabs
 * @param {string} topic
 * @param {FollowOptions} [options]
 * @returns {AsyncGenerator<JobEvent, void, void>} to the job's end. Throws a Refusal when it is gone, or not to be seen
 */
export async function* follow(tabs, topic, { after = null, signal, onConnection = () => {} } = {}) {
  const follower = new Follower(topic, after, onConnection);
  const wake = () => follower.wake();
  signal?.addEventListener("abort", wake);
  try {
    tabs.watch(follower);
    while (!signal?.aborted) {
      const event = follower.queue.shift();
      if (event) yield event;
      else if (follower.lagging) follower.catchUp(tabs);
      else if (follower.why) throw follower.why;
      else if (follower.over) return;
      else await follower.news();
    }
  } finally {
    signal?.removeEventListener("abort", wake);
    tabs.leave(follower);
  }
}

export class Follower {
  /** @type {JobEvent[]} what was heard and not taken yet; of progress in a row the latest */
  queue = [];
  over = false;
  /** Whether more came than the queue holds; it is asked for again. */
  lagging = false;
  /** @type {Refusal | undefined} */
  why;
  /** @type {Map<string, number>} of the feed, by job */
  #seen = new Map();
  wake = () => {};

  /** @param {string} topic @param {?number} seq @param {(state: State) => void} show */
  constructor(topic, seq, show) {
    this.topic = topic;
    this.seq = seq;
    this.show = show;
  }

  /** @param {JobEvent} event */
  hear(event) {
    if (this.lagging || !this.#isNews(event)) return;
    this.lagging = this.queue.length >= MOST_QUEUED;
    if (this.lagging) return;
    this.seq = event.seq;
    if (!this.topic) this.#seen.set(event.job_id, event.seq);
    const last = this.queue.at(-1);
    if (last?.type === "progress" && event.type === "progress" && last.job_id === event.job_id) this.queue.pop();
    this.queue.push(event);
    this.wake();
  }

  /** @param {{status: number, code: string, detail: string}} [why] */
  end(why) {
    this.why = why && new Refusal(why.status, why);
    this.over = true;
    this.wake();
  }

  /** @param {import("./tabs.js").Tabs} tabs */
  catchUp(tabs) {
    this.lagging = this.over = false;
    tabs.watch(this);
  }

  /** @returns {Promise<void>} */
  news() {
    return new Promise((resolve) => (this.wake = resolve));
  }

  /** @param {JobEvent} event */
  #isNews({ type, seq, job_id: id, reset }) {
    if (!this.topic) return type === "snapshot" ? seq >= (this.#seen.get(id) ?? 0) : seq > (this.#seen.get(id) ?? 0);
    if (type === "snapshot") return this.seq === null || (reset === true && seq !== this.seq);
    return this.seq !== null && seq > this.seq;
  }
}
