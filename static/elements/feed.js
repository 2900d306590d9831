/**
 * `<tidings-feed>`: the newest of one's own jobs, live. Attributes: `token`, `base`, `kind`, and `limit` (20; at most 200).
 * It tells `tidings-event` and `tidings-error`.
 */

import { pauseAfter } from "../client/service.js";
import { changed } from "../tidings.js";
import { Bar } from "./bar.js";
import { TidingsElement } from "./element.js";
import { part } from "./look.js";
import { troubleOf } from "./words.js";

const USUAL = 20;
const MOST = 200;
const TOGETHER_MS = 500;

class TidingsFeed extends TidingsElement {
  static observedAttributes = ["token", "base", "kind", "limit"];

  /** By id, the newest first. @type {Map<string, {job: Job, bar: Bar, item: HTMLElement}>} */
  rows = new Map();
  list = part("ul", "list");
  note = part("p", "note");
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #listing;
  /** How often in a row the list was not to be had. */
  #failures = 0;

  constructor() {
    super();
    this.list.setAttribute("role", "list");
    this.shadow.append(this.list, this.note);
  }

  get #most() {
    return Math.min(Math.max(Math.trunc(Number(this.getAttribute("limit"))) || USUAL, 1), MOST);
  }

  /** @override @param {AbortSignal} signal */
  async run(signal) {
    this.rows.clear();
    this.list.replaceChildren();
    this.#say("loading", "…");
    clearTimeout(this.#listing);
    this.#listing = undefined;
    const onConnection = (/** @type {string} */ state) => {
      this.dataset.connection = state;
      if (state === "live" || state === "polling") this.#listSoon(signal); // what has ended meanwhile no stream tells
    };
    try {
      for await (const event of this.tidings.feed({ signal, onConnection })) {
        const row = this.rows.get(event.job_id);
        if (row) this.#show(changed(row.job, event));
        else if (event.type === "pending" || event.type === "snapshot") this.#listSoon(signal);
        this.tell("event", event);
      }
    } catch (error) {
      this.#fail(error, signal);
    }
  }

  /** Once for all that comes together. @param {AbortSignal} signal */
  #listSoon(signal) {
    this.#listing ??= this.#listIn(TOGETHER_MS, signal);
  }

  /** @param {number} milliseconds @param {AbortSignal} signal */
  #listIn(milliseconds, signal) {
    return setTimeout(() => {
      this.#listing = undefined;
      if (!signal.aborted) this.#fill(signal);
    }, milliseconds);
  }

  /** @param {AbortSignal} signal */
  async #fill(signal) {
    const kind = this.getAttribute("kind");
    try {
      const { jobs } = await this.tidings.listJobs({ limit: this.#most, ...(kind ? { kind } : {}) });
      if (signal.aborted) return;
      for (const job of jobs) this.#show(job);
      this.#order(jobs);
      this.#say(jobs.length ? "filled" : "empty", jobs.length ? "" : "No jobs yet.");
      this.#failures = 0;
    } catch (error) {
      if (signal.aborted) return;
      if (!(/** @type {any} */ (error).passing)) return this.#fail(error, signal);
      clearTimeout(this.#listing);
      this.#listing = this.#listIn(pauseAfter(error, (this.#failures += 1)), signal);
    }
  }

  /** As the list has them; what is not in it any more goes. @param {Job[]} jobs */
  #order(jobs) {
    const rows = jobs.map(({ job_id: id }) => /** @type {[string, any]} */ ([id, this.rows.get(id)]));
    this.rows = new Map(rows);
    this.list.replaceChildren(...rows.map(([, { item }]) => item));
  }

  /** @param {Job} job */
  #show(job) {
    const row = this.rows.get(job.job_id) ?? this.#row(job);
    if (job.seq < row.job.seq) return;
    row.job = job;
    row.bar.show(job, `${job.kind} ${job.job_id.slice(0, 6)}`);
  }

  /** @param {Job} job */
  #row(job) {
    const bar = new Bar();
    const row = { job, bar, item: part("li", "item", bar.element) };
    this.rows.set(job.job_id, row);
    return row;
  }

  /** @param {unknown} error @param {AbortSignal} signal */
  #fail(error, signal) {
    if (signal.aborted) return;
    this.#say("refused", troubleOf(/** @type {any} */ (error)).replace("This job", "The list"));
    this.tell("error", error);
  }

  /** @param {string} state @param {string} words */
  #say(state, words) {
    this.dataset.state = state;
    this.note.textContent = words;
    this.note.hidden = !words;
  }
}

customElements.define("tidings-feed", TidingsFeed);
