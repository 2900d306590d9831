/**
 * The jobs this page knows, folded from lists, snapshots and events. No DOM: who shows them is told what has changed,
 * once a frame however much that was.
 */

import { changed, ended, readJob, request } from "../tidings.js";

const MOST_KNOWN = 20_000;
const ID = 26;
const FIRST_PAGE = 50;
const PAGE = 200;
const MOST_PAGES = 15;
const MOST_READ = 8;
const LATE_MS = 700;

export class Jobs {
  constructor() {
    this.known = new Map();
    this.sorted = [];
    this.stale = false;
    this.touched = new Set();
    this.watchers = new Set();
    this.missing = new Set();
    this.late = this.frame = this.timer = 0;
    /** Whose, where that is not one's own. */
    this.whose = {};
  }

  /** All of them, the newest first. @returns {Job[]} */
  get list() {
    if (this.stale) this.sorted = [...this.known.values()].map((job) => job.created_at + job.job_id).sort().reverse();
    this.stale = false;
    return this.sorted.map((place) => this.known.get(place.slice(-ID)));
  }

  /** Be told the ids of what has changed, before the next frame. @returns {() => void} no more */
  watch(tell) {
    this.watchers.add(tell);
    return () => this.watchers.delete(tell);
  }

  /** A job as it stands, unless more is known already. @param {Job} job */
  see(job, anew = false) {
    const known = this.known.get(job.job_id);
    if (known && job.seq < known.seq && !anew) return;
    this.stale ||= !known;
    this.known.set(job.job_id, job);
    this.touch(job.job_id);
  }

  /** @param {JobEvent} event */
  hear(event) {
    if (event.type === "snapshot") return this.see(event.data, event.reset);
    const job = this.known.get(event.job_id);
    if (!job) this.miss(event.job_id);
    else if (event.seq > job.seq) this.see(changed(job, event));
  }

  /** An event says no kind, so the job is asked for; a little later, with all others. */
  miss(id) {
    this.missing.add(id);
    this.late ||= setTimeout(() => this.fill(), LATE_MS);
  }

  /** New ones are in the list; of older ones a few are read. */
  async fill() {
    const missing = [...this.missing];
    this.missing.clear();
    await this.catchUp(false).catch(() => {});
    const rest = missing.filter((id) => !this.known.has(id)).slice(0, MOST_READ);
    await Promise.all(rest.map((id) => this.read(id).catch(() => {})));
    this.late = 0;
    for (const id of this.missing) this.miss(id); // meanwhile
  }

  forget(id) {
    this.stale = this.known.delete(id) || this.stale;
    this.touch(id);
  }

  /** Ask for one. Rejects with a Refusal. */
  async read(id) {
    const { job } = await readJob(id);
    if (job) this.see(job);
  }

  /** A page of the list. @returns {Promise<{jobs: Job[], cursor: ?string, oldest: string, fresh: boolean}>} */
  async page(filters = {}, cursor = null) {
    const place = cursor ? { cursor, limit: PAGE } : { limit: FIRST_PAGE };
    const query = new URLSearchParams({ ...this.whose, ...filters, ...place });
    const { jobs, next_cursor: next } = (await request(`/api/jobs?${query}`)).body;
    const last = jobs.at(-1);
    const fresh = Boolean(last) && !this.known.has(last.job_id);
    for (const job of jobs) this.see(job);
    return { jobs, cursor: next, oldest: last?.created_at ?? "", fresh };
  }

  /** What was missed: new jobs; when `thorough` also what became of those that had not ended. */
  async catchUp(thorough) {
    const first = !this.known.size;
    const oldest = thorough ? (this.list.findLast((job) => !ended(job))?.created_at ?? "~") : "~";
    let page = { cursor: null };
    for (let n = 0; n < MOST_PAGES; n += 1) {
      page = await this.page({}, page.cursor);
      if (first || !page.cursor || !(page.fresh || oldest < page.oldest)) return;
    }
  }

  touch(id) {
    this.touched.add(id);
    if (document.hidden) this.timer ||= setTimeout(() => this.tell(), LATE_MS); // there are no frames
    else this.frame ||= requestAnimationFrame(() => this.tell());
  }

  tell() {
    const ids = this.touched;
    this.touched = new Set();
    this.frame = this.timer = 0;
    if (this.known.size > MOST_KNOWN) this.trim();
    for (const tell of this.watchers) tell(ids);
  }

  /** The oldest that have ended go. */
  trim() {
    for (const job of this.list.slice(MOST_KNOWN * 0.9)) if (ended(job)) this.known.delete(job.job_id);
    this.stale = true;
  }
}
