/**
 * What all tabs follow, kept up by whichever way works: an event stream, for several jobs a WebSocket, else polls. Each
 * goes on after the seq of the one before. Which tab has it is told in tabs.js.
 */

import { jobUrl } from "./job.js";
import { polls } from "./polls.js";
import { Refusal } from "./service.js";
import { socket } from "./socket.js";
import { stream } from "./stream.js";
import { FEED, NO_USE, Topic } from "./topic.js";

const FIRST_BAR_MS = 30_000;
const LONGEST_BAR_MS = 300_000;
const MOST_SILENCES = 2;

export class Connection {
  /** @type {Map<string, Topic>} */
  topics = new Map();
  reachable = true;
  /** Called when the topics are others or begun anew; set by who carries them. */
  changed = () => {};
  /** @type {Map<string, {names: Set<string>, silences: number}>} */
  #tabs = new Map();
  /** @type {Map<Way, {until: number, span: number}>} */
  #bars = new Map();
  /** @type {State | undefined} */
  #state;
  #running = false;

  /** @param {Service} service @param {(news: News) => void} tell */
  constructor(service, tell) {
    this.service = service;
    this.tell = tell;
  }

  /** All that a tab follows. @param {string} tab @param {Want[]} wants */
  want(tab, wants) {
    this.#tabs.set(tab, { names: new Set(wants.map(({ name }) => name)), silences: 0 });
    for (const want of wants) this.#meet(want);
    if (this.#state && wants.some(({ fresh }) => fresh)) this.tell({ state: this.#state });
    this.#settle();
  }

  /** Called now and then: tabs that answer no more are gone. */
  forgetSilent() {
    for (const [id, tab] of this.#tabs) if ((tab.silences += 1) > MOST_SILENCES) this.#tabs.delete(id);
    this.#settle();
  }

  /** @param {string} name @param {JobEvent} event */
  hear(name, event) {
    const topic = this.topics.get(name);
    const { turn, seq: before } = topic ?? {};
    if (topic && (name === FEED || topic.take(event))) this.tell({ topic: name, event, before });
    else if (topic?.turn !== turn) this.changed();
  }

  /** Nothing more comes of it. @param {string} name @param {Refusal} [why] */
  end(name, why) {
    const topic = this.topics.get(name);
    if (!topic) return;
    this.topics.delete(name);
    this.tell({ over: name, seq: topic.seq, why: why && { status: why.status, code: why.code, detail: why.message } });
    this.changed();
  }

  /** Carry nothing any more, and tell nothing. */
  close() {
    this.tell = () => {};
    this.#tabs.clear();
    this.#settle();
  }

  /** @param {State} state */
  show(state) {
    if (state !== this.#state) this.tell({ state });
    this.#state = state;
  }

  /** Nobody answers; which ways are open is not known any more. */
  lose() {
    this.reachable = false;
    this.#bars.clear();
    this.show("offline");
  }

  /** @param {Want} want */
  #meet({ name, after, blank, fresh }) {
    const known = this.topics.get(name);
    const topic = known ?? new Topic(name, after);
    const waiting = blank || topic.seq === null;
    this.topics.set(name, topic);
    if (known && !fresh) return;
    if (known && name === FEED) this.#beginFeedAnew(topic);
    if (after !== null && after < (topic.seq ?? Infinity)) topic.rewind(after);
    if (waiting && topic.seq !== null) this.#introduce(topic);
  }

  /** What ends meanwhile is told by no snapshot, so those who listen are to know. @param {Topic} topic */
  #beginFeedAnew(topic) {
    topic.rewind(null);
    this.show("reconnecting");
  }

  /** Who comes later and knows nothing is told how the job stands. @param {Topic} topic */
  async #introduce(topic) {
    try {
      topic.job ??= /** @type {Job} */ ((await this.service.request(jobUrl(topic.name), { tries: 10 })).body);
      const { job_id, seq, updated_at: at } = topic.job;
      this.tell({ topic: topic.name, event: { job_id, seq, type: "snapshot", at, data: topic.job } });
      if (seq >= (topic.seq ?? 0)) return;
      topic.rewind(seq); // what was told before that passed it by
      this.changed();
    } catch (error) {
      this.end(topic.name, /** @type {Refusal} */ (error));
    }
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
      if (rest > 0 && way !== polls) this.show("reconnecting");
      if (rest > 0) await this.#rest(rest);
    }
    this.#running = false;
    this.#state = undefined;
  }

  /** @returns {Way} */
  #way() {
    const ways = this.topics.size > 1 ? [socket] : [stream, socket];
    const open = ways.find((way) => (this.#bars.get(way)?.until ?? 0) <= Date.now());
    return (this.reachable && open) || polls;
  }

  /** @param {unknown} error */
  #failed(error) {
    if (error instanceof Refusal) return NO_USE;
    for (const name of [...this.topics.keys()]) this.end(name, new Refusal(0, { code: "broken", detail: String(error) }));
    globalThis.reportError?.(error);
    return 0;
  }

  /** @param {Way} way is not tried for a while, the longer the oftener */
  #bar(way) {
    const span = Math.min((this.#bars.get(way)?.span ?? FIRST_BAR_MS / 2) * 2, LONGEST_BAR_MS);
    this.#bars.set(way, { span, until: Date.now() + span });
  }

  /** Until then, a change, or a better way is open again. @param {number} milliseconds @returns {Promise<void>} */
  #rest(milliseconds) {
    const bars = [...this.#bars.values()].map(({ until }) => until - Date.now()).filter((left) => left > 0);
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.changed(), Math.min(milliseconds, ...(this.reachable ? bars : [])));
      this.changed = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
