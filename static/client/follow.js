/** A job's events as an async iterator, or those of all jobs: what the connection tells, each once and in order. */

import { Refusal } from "./service.js";

const MOST_QUEUED = 1_000;
const MOST_SEEN = 10_000;

/**
 * To the job's end. Throws a Refusal when it is gone, or not to be seen.
 * @param {Tabs} tabs @param {string} topic @param {FollowOptions} [options]
 * @returns {AsyncGenerator<JobEvent, void, void>}
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
  /** What was heard and not taken yet; of progress in a row the latest. @type {JobEvent[]} */
  queue = [];
  over = false;
  /** Whether more came than the queue holds; it is asked for again. */
  lagging = false;
  /** @type {Refusal | undefined} */
  why;
  wake = () => {};
  /** Of the feed, by job: the latest seq, and whether it was told how the job stands.
   * @type {Map<string, {seq: number, stands: boolean}>} */
  #seen = new Map();

  /** @param {string} topic @param {?number} seq @param {(state: State) => void} show */
  constructor(topic, seq, show) {
    this.topic = topic;
    this.seq = seq;
    this.show = show;
  }

  /** @param {JobEvent} event @param {?number} [before] the seq of the one it follows on */
  hear(event, before) {
    if (this.lagging || !this.#isNews(event, before ?? -1)) return;
    this.lagging = this.queue.length >= MOST_QUEUED;
    if (this.lagging) return;
    this.seq = event.seq;
    if (!this.topic) this.#note(event);
    const last = this.queue.at(-1);
    if (last?.type === "progress" && event.type === "progress" && last.job_id === event.job_id) this.queue.pop();
    this.queue.push(event);
    this.wake();
  }

  /** The latest seq of so many jobs; who was silent for longest goes first. @param {JobEvent} event */
  #note({ job_id: id, type, seq }) {
    const stands = type === "snapshot" || seq === 1 || this.#seen.get(id)?.stands === true;
    this.#seen.delete(id);
    this.#seen.set(id, { seq, stands });
    if (this.#seen.size > MOST_SEEN) this.#seen.delete(this.#seen.keys().next().value ?? "");
  }

  /** @param {{status: number, code: string, detail: string}} [why] */
  end(why) {
    this.why = why && new Refusal(why.status, why);
    this.over = true;
    this.wake();
  }

  /** Of the feed, what it missed hides behind whatever event comes next, so no job is known. @param {Tabs} tabs */
  catchUp(tabs) {
    this.lagging = this.over = false;
    this.#seen.clear();
    tabs.watch(this);
  }

  /** @returns {Promise<void>} */
  news() {
    return new Promise((resolve) => (this.wake = resolve));
  }

  /** What does not follow on what is known comes again, after what lies between.
   * @param {JobEvent} event @param {number} before */
  #isNews(event, before) {
    const { type, seq, reset } = event;
    if (!this.topic) return this.#isNewsOfFeed(event);
    if (type === "snapshot") return this.seq === null || (reset === true && seq !== this.seq);
    return this.seq !== null && before <= this.seq && seq > this.seq;
  }

  /** The latest event may come before the snapshot, to a tab that joins the others. @param {JobEvent} event */
  #isNewsOfFeed({ type, seq, job_id: id }) {
    const known = this.#seen.get(id);
    return seq > (known?.seq ?? 0) || (type === "snapshot" && seq === known?.seq && !known.stands);
  }
}
