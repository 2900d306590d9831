/** One job, or the feed, as the connection follows it: how far it has come, and what is news of it. */

import { changed, ends } from "./job.js";

/** The name of the feed's topic; all others are called as their job. */
export const FEED = "";

/** What a way of following answers when it is of no use for now. */
export const NO_USE = -1;

export class Topic {
  /** How often it was begun anew, and whether what comes is of this turn. */
  turn = 0;
  ready = false;
  /** Whether a snapshot may come first. */
  #awaits = true;
  atEnd = false;
  /** When to poll next, and how often that brought nothing. */
  due = 0;
  quiet = 0;
  /** @type {?Job} */
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

  /** Whether it is news, and taken. For what a snapshot would jump over the log is asked. @param {JobEvent} event */
  take(event) {
    const known = this.seq ?? -1;
    const snapshot = event.type === "snapshot";
    if (!this.ready || (!snapshot && event.seq <= known)) return false;
    if (snapshot && !this.#awaits) {
      if (event.seq > known || event.reset) this.rewind(this.seq);
      return false;
    }
    this.#awaits = false;
    this.seq = event.seq;
    this.atEnd = ends(event);
    if (snapshot) this.job = event.data;
    else if (this.job && event.seq > this.job.seq) this.job = changed(this.job, event);
    return true;
  }
}
