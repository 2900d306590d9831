/**
 * Thousands of jobs as rows, of which only those on screen are elements. Rows are keyed by job: one that stays is
 * changed, not made anew, so it keeps its focus. No network.
 */

import { element } from "../dom.js";
import { Row } from "./row.js";

const BEYOND = 8;

export class Rows {
  /** @param {object} tools of a row @param {() => void} onEnd the last ones come into sight */
  constructor(tools, onEnd) {
    this.tools = tools;
    this.onEnd = onEnd;
    this.jobs = [];
    this.rows = new Map();
    this.element = element("ol", { id: "jobs", class: "rows" });
    this.element.onkeydown = (event) => this.step(event);
    this.draw = () => (this.frame ||= requestAnimationFrame(() => this.show()));
    addEventListener("scroll", this.draw, { passive: true });
    addEventListener("resize", this.draw);
    this.ticking = setInterval(this.draw, 1_000);
  }

  leave() {
    removeEventListener("scroll", this.draw);
    removeEventListener("resize", this.draw);
    clearInterval(this.ticking);
  }

  /** What is on screen stays where it is, whatever comes above it. @param {object[]} jobs */
  set(jobs) {
    const anchor = this.first && this.jobs[this.first];
    const before = this.first;
    this.jobs = jobs;
    const after = anchor ? jobs.findIndex(({ job_id: id }) => id === anchor.job_id) : -1;
    if (after > before) scrollBy({ top: (after - before) * this.height, behavior: "instant" });
    this.show();
  }

  show() {
    cancelAnimationFrame(this.frame);
    this.frame = 0;
    if (!this.element.isConnected) return;
    this.height = Number.parseFloat(getComputedStyle(this.element).getPropertyValue("--row"));
    this.element.style.height = `${this.jobs.length * this.height}px`;
    const above = -this.element.getBoundingClientRect().top;
    this.first = Math.max(Math.ceil(above / this.height), 0);
    const from = Math.max(this.first - BEYOND, 0);
    const to = Math.min(Math.ceil((above + innerHeight) / this.height) + BEYOND, this.jobs.length);
    const wanted = new Set(this.jobs.slice(from, to).map(({ job_id: id }) => id));
    this.drop((id) => wanted.has(id));
    for (let n = to - 1, below = null; n >= from; n -= 1) below = this.place(this.jobs[n], n, below);
    if (to === this.jobs.length) this.onEnd();
  }

  /** Those out of sight; one that is being used stays as long as it is listed. */
  drop(isWanted) {
    for (const [id, { element: gone }] of this.rows) {
      const used = gone.contains(document.activeElement) && this.jobs.some((job) => job.job_id === id);
      if (used || isWanted(id)) continue;
      gone.remove();
      this.rows.delete(id);
    }
  }

  /** From below, so that a new one has the place among the elements that it has on screen. */
  place(job, n, below) {
    const known = this.rows.get(job.job_id);
    const row = known ?? new Row(job, this.tools);
    if (known) row.show(job);
    else this.element.insertBefore(row.element, below);
    this.rows.set(job.job_id, row);
    row.element.style.top = `${n * this.height}px`;
    row.element.ariaPosInSet = n + 1;
    row.element.ariaSetSize = this.jobs.length;
    row.n = n;
    return row.element;
  }

  /** Up and down by keys. */
  step(event) {
    const by = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1 }[event.key];
    const id = event.target.closest(".job")?.querySelector(".title").title;
    if (!by || !id) return;
    event.preventDefault();
    const job = this.jobs[this.rows.get(id).n + by];
    const next = job && this.rows.get(job.job_id)?.element;
    next?.querySelector("a").focus({ preventScroll: true });
    next?.scrollIntoView({ block: "nearest" });
  }
}
