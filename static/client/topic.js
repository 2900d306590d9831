/** One job, or the feed, as the connection follows it for all tabs: how far it has come, and what is news of it. */

import { changed, ends } from "./job.js";

/** @typedef {import("./job.js").Job} Job @typedef {import("./job.js").JobEvent} JobEvent */

/** The name of the feed's topic; all others are called as their job. */
export const FEED = "";

/** What a way of following answers when it is of no use for now; else how many milliseconds to rest. */
export const NO_USE = -1;

export class Topic {
  /** Counts how often it was begun anew. */
  turn = 0;
  /** Whether what comes is of this turn. */
  ready = false;
  /** Whether a snapshot may come first. */
  #awaits = true;
  atEnd = false;
  /** When to poll next, and how often that brought nothing. */
  due = 0;
  quiet = 0;
  /** @type {?Job} as far as it is known */
  job = null;

  /** @param {string} name @param {?number} seq what is known already */
  constructor(name, seq) {
    this.name = name;
    this.seq = seq;
  }

  /** Go on after that seq. @param {?number} seq */
  rewind(seq) {
    this.seq = seq;
    this.turn += 1;
    this.ready = false;
    this.due = 0;
    this.#awaits = true;
  }

  /** Take what is news; a snapshot that jumps over something is not, and has that asked for. @param {JobEvent} event */
  take(event) {
    if (!this.ready) return false;
    const known = this.seq ?? -1;
    if (event.type === "snapshot" && !this.#awaits) {
      if (event.seq > known) this.rewind(this.seq);
      return false;
    }
    if (event.type !== "snapshot" && event.seq <= known) return false;
    this.#awaits = false;
    this.seq = event.seq;
    this.atEnd = ends(event);
    if (event.type === "snapshot" || (this.job && event.seq > this.job.seq)) this.job = changed(/** @type {Job} */ (this.job), event);
    return true;
  }
}
