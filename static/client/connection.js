/**
 * What all tabs follow together, kept up by whichever way works: event streams, a WebSocket, or else polls. Several
 * jobs share the WebSocket. Each way goes on after the seq of the one before. Of the tabs that share it one has it
 * (tabs.js).
 */

import { jobUrl } from "./job.js";
import { polls } from "./polls.js";
import { Refusal } from "./service.js";
import { socket } from "./socket.js";
import { streams } from "./streams.js";
import { FEED, NO_USE, Topic } from "./topic.js";

/**
 * @typedef {import("./job.js").JobEvent} JobEvent
 * @typedef {"live" | "reconnecting" | "polling" | "offline"} State
 * @typedef {{topic: string, event: JobEvent} | {over: string, seq: ?number, why?: Trouble} | {state: State}} News told to all tabs
 * @typedef {{status: number, code: string, detail: string}} Trouble
 * @typedef {{name: string, after: ?number, blank: boolean, fresh: boolean}} Want `after` is the lowest seq of who has
 *   one; `blank` of who needs a snapshot
 * @typedef {(connection: Connection) => Promise<number>} Way carries all topics until it breaks or they are others
 */

const FIRST_BAR_MS = 30_000;
const LONGEST_BAR_MS = 300_000;
const MOST_SILENCES = 2;

export class Connection {
  /** @type {Map<string, Topic>} */
  topics = new Map();
  reachable = true;
  /** Called when the topics are others, or are begun anew; whoever carries them sets it. */
  changed = () => {};
  /** @type {Map<string, {names: Set<string>, silences: number}>} */
  #tabs = new Map();
  /** @type {Map<Way, {until: number, span: number}>} */
  #bars = new Map();
  /** @type {State | ""} */
  #state = "";
  #running = false;

  /** @param {import("./service.js").Service} service @param {(news: News) => void} tell */
  constructor(service, tell) {
    this.service = service;
    this.tell = tell;
  }

  /** All that a tab follows. @param {string} tab @param {Want[]} wants */
  want(tab, wants) {
    this.#tabs.set(tab, { names: new Set(wants.map(({ name }) => name)), silences: 0 });
    for (const want of wants) this.#meet(want);
    this.#settle();
  }

  /** Called now and then: tabs that no longer answer are gone. */
  forgetSilent() {
    for (const [tab, asker] of this.#tabs) {
      asker.silences += 1;
      if (asker.silences > MOST_SILENCES) this.#tabs.delete(tab);
    }
    this.#settle();
  }

  /** @param {string} name @param {JobEvent} event */
  hear(name, event) {
    const topic = this.topics.get(name);
    if (!topic) return;
    const { turn } = topic;
    if (name === FEED || topic.take(event)) this.tell({ topic: name, event });
    else if (topic.turn !== turn) this.changed();
  }

  /** Nothing more comes of it. @param {string} name @param {Refusal} [why] */
  end(name, why) {
    const topic = this.topics.get(name);
    if (!topic) return;
    this.topics.delete(name);
    this.tell({ over: name, seq: topic.seq, why: why && { status: why.status, code: why.code, detail: why.message } });
    this.changed();
  }

  /** @param {State} state */
  show(state) {
    if (state !== this.#state) this.tell({ state });
    this.#state = state;
  }

  /** Nobody answers: which ways work is not known any more. */
  lose() {
    this.reachable = false;
    this.#bars.clear();
    this.show("offline");
  }

  /** @param {Want} want */
  #meet({ name, after, blank, fresh }) {
    const topic = this.topics.get(name);
    if (!topic) {
      const begun = new Topic(name, after);
      this.topics.set(name, begun);
      if (blank && after !== null) this.#introduce(begun);
    } else if (fresh) {
      if (name === FEED) topic.rewind(null);
      else if (after !== null && after < (topic.seq ?? Infinity)) topic.rewind(after);
      if (blank && topic.seq !== null) this.#introduce(topic);
    }
  }

  /** Who comes later and knows nothing is told how the job stands. @param {Topic} topic */
  async #introduce(topic) {
    try {
      topic.job ??= (await this.service.request(jobUrl(topic.name), { tries: 10 })).body;
    } catch (error) {
      return this.end(topic.name, /** @type {Refusal} */ (error));
    }
    const job = /** @type {import("./job.js").Job} */ (topic.job);
    const { job_id, seq } = job;
    this.tell({ topic: topic.name, event: { job_id, seq, type: "snapshot", at: "", data: job } });
  }

  #settle() {
    const wanted = new Set([...this.#tabs.values()].flatMap(({ names }) => [...names]));
    for (const name of this.topics.keys()) if (!wanted.has(name)) this.topics.delete(name);
    this.changed();
    if (!this.#running && this.topics.size) this.#run();
  }

  async #run() {
    this.#running = true;
    while (this.topics.size) {
      const way = this.#way();
      const rest = await way(this).catch((error) => this.#failed(error));
      this.changed = () => {};
      if (rest === NO_USE) this.#bar(way);
      else this.#bars.delete(way);
      if (rest > 0) {
        if (way !== polls) this.show("reconnecting");
        await this.#rest(Math.min(rest, this.#untilBarLifts()));
      }
    }
    this.#running = false;
    this.#state = "";
  }

  /** @returns {Way} */
  #way() {
    if (!this.reachable) return polls;
    const ways = this.topics.size > 1 ? [socket, streams] : [streams, socket];
    return ways.find((way) => !((this.#bars.get(way)?.until ?? 0) > Date.now())) ?? polls;
  }

  /** @param {unknown} error */
  #failed(error) {
    if (error instanceof Refusal) return NO_USE;
    for (const name of [...this.topics.keys()]) this.end(name, new Refusal(0, { code: "broken", detail: String(error) }));
    globalThis.reportError?.(error);
    return 0;
  }

  /** @param {Way} way */
  #bar(way) {
    const span = Math.min((this.#bars.get(way)?.span ?? FIRST_BAR_MS / 2) * 2, LONGEST_BAR_MS);
    this.#bars.set(way, { span, until: Date.now() + span });
  }

  #untilBarLifts() {
    const lifts = [...this.#bars.values()].map(({ until }) => until - Date.now()).filter((left) => left > 0);
    return this.reachable ? Math.min(...lifts) : Infinity;
  }

  /** @param {number} milliseconds @returns {Promise<void>} */
  #rest(milliseconds) {
    return new Promise((resolve) => {
      const timer = setTimeout(done, milliseconds);
      this.changed = done;
      function done() {
        clearTimeout(timer);
        resolve();
      }
    });
  }
}
