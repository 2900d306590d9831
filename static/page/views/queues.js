/** Queues, kinds, workers and who asks too often: who runs what, and holding it back. Asked for while it is looked at. */

import { action, element, part, table } from "../dom.js";
import { request } from "../../tidings.js";
import { ago, between, duration } from "../words.js";

const REFRESH_MS = 2_000;
const ROOMS = ["queues", "workers", "kinds", "pollers"];

export class QueuesView {
  /** @param {object} page see app.js */
  constructor(page) {
    this.page = page;
    this.rooms = Object.fromEntries(ROOMS.map((name) => [name, part(name === "pollers" ? "Asking too often" : name[0].toUpperCase() + name.slice(1), element("div", { class: "skeleton" }))]));
    this.element = element("article", { class: "page rooms" }, element("h1", {}, "Queues and workers"), ...Object.values(this.rooms));
    this.title = "Queues";
    this.refresh();
  }

  leave() {
    this.over = true;
    clearTimeout(this.waiting);
  }

  async refresh() {
    clearTimeout(this.waiting);
    await Promise.all(ROOMS.map((name) => this.load(name)));
    while (document.hidden && !this.over) await new Promise((resolve) => document.addEventListener("visibilitychange", resolve, { once: true }));
    if (!this.over) this.waiting = setTimeout(() => this.refresh(), REFRESH_MS);
  }

  /** What this one may not see, or the server does not know, is left out. */
  async load(name) {
    try {
      const { body } = await request(`/api/${name}`);
      this.show(name, body[name]);
    } catch ({ status }) {
      if (status === 403 || status === 404) this.rooms[name].hidden = true;
    }
  }

  show(name, all) {
    const room = this.rooms[name];
    const [columns, row, nothing] = SHOWN[name];
    const key = JSON.stringify(all);
    if (room.contains(document.activeElement) && room.dataset.key === key) return;
    const shown = all.length ? table(columns, all.map((one) => row(one, this))) : element("p", { class: "help" }, nothing);
    if (!room.contains(document.activeElement)) room.lastChild.replaceWith(shown);
    room.dataset.key = key;
  }

  /** Pause or resume. */
  hold(room, name, paused) {
    const url = `/api/${room}/${encodeURIComponent(name)}/${paused ? "resume" : "pause"}`;
    return action(paused ? "Resume" : "Pause", async () => {
      await request(url, { method: "POST" });
      document.activeElement.blur();
      await this.load(room);
    }, paused ? "" : "Start none of it?");
  }
}

const number = (value) => (typeof value === "number" ? value.toLocaleString("en", { maximumFractionDigits: 1 }) : "–");
const state = (paused) => element("span", { class: "badge", "data-state": paused && "held" }, paused ? "paused" : "open");

const subject = ({ job_id: job, batch_id: batch }) =>
  element("a", { href: job ? `#/jobs/${job}` : `#/batches/${batch}` }, element("code", {}, (job ?? batch).slice(0, 6)));

/** Of each room: its columns, a row, and what it says when there is none. */
const SHOWN = {
  queues: [
    ["queue", "state", "waiting", "delayed", "running", "lag", "started / min", "ended / min", ""],
    (one, view) => [
      one.queue, state(one.paused), number(one.waiting), number(one.delayed), number(one.running),
      typeof one.lag_seconds === "number" ? duration(one.lag_seconds) : "–", number(one.started_per_minute), number(one.ended_per_minute),
      view.hold("queues", one.queue, one.paused),
    ],
    "No kind has been announced yet.",
  ],
  workers: [
    ["worker", "busy", "runs", "queues", "up", "seen"],
    (one) => [
      element("span", { title: one.host }, one.worker),
      element("span", { class: "load" }, element("progress", { max: one.concurrency, value: one.running_count ?? one.running.length, "aria-label": "busy" }), ` ${one.running_count ?? one.running.length} of ${one.concurrency}`),
      element("span", { class: "tags" }, ...one.running.slice(0, 12).map((run) => element("a", { href: `#/jobs/${run.job_id}`, title: `attempt ${run.attempt}` }, `${run.kind} ${duration(between(run.started_at))}`))),
      one.queues.join(", "),
      duration(between(one.started_at)),
      ago(one.last_seen_at),
    ],
    "No worker is there. Start one with `tidings worker`.",
  ],
  kinds: [
    ["kind", "state", "queue", "at once", "attempts", "timeout", ""],
    (one, view) => [
      element("a", { href: `#/?kind=${encodeURIComponent(one.kind)}` }, one.kind), state(one.paused), one.queue, one.max_running ? number(one.max_running) : "any",
      number(one.max_attempts), duration(one.timeout_seconds), view.hold("kinds", one.kind, one.paused),
    ],
    "No worker has announced a kind yet.",
  ],
  pollers: [
    ["owner", "asks for", "refused", "last"],
    (one) => [one.owner, subject(one), number(one.refused), ago(one.last_at)],
    "Nobody does.",
  ],
};
