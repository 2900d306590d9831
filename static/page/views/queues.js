/** Queues, workers, kinds and who asks too often: who runs what, and holding it back. Asked for while it is looked at. */

import { action, element, part, settle, table } from "../dom.js";
import { request } from "../../tidings.js";
import { ago, between, duration } from "../words.js";

const REFRESH_MS = 2_000;
const MOST_RUNS = 12;

export class QueuesView {
  constructor() {
    this.title = "Queues";
    const room = ({ title }) => part(title, element("div", { class: "skeleton" }));
    this.rooms = Object.fromEntries(Object.entries(ROOMS).map(([name, shown]) => [name, room(shown)]));
    const heading = element("h1", {}, "Queues and workers");
    this.element = element("article", { class: "page rooms" }, heading, ...Object.values(this.rooms));
    this.refresh();
  }

  leave() {
    this.over = true;
    clearTimeout(this.waiting);
  }

  async refresh() {
    if (!document.hidden) await Promise.all(Object.keys(ROOMS).map((name) => this.load(name)));
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

  /** As it is now, unless somebody is asked there whether he is sure. Who is in a row by keys stays in it. */
  show(name, all) {
    const room = this.rooms[name];
    const { title, columns, row, nothing } = ROOMS[name];
    if (room.querySelector("[data-armed], :disabled")) return;
    const at = document.activeElement;
    const line = room.contains(at) && at.closest("tr");
    const rows = all.map((one) => row(one, (kept) => this.hold(name, kept, one.paused)));
    settle(room, part(title, rows.length ? table(columns, rows) : element("p", { class: "help" }, nothing)));
    if (line && document.activeElement !== at) line.querySelector(at.nodeName)?.focus({ preventScroll: true });
  }

  /** The button that pauses or resumes. */
  hold(room, name, paused) {
    const url = `/api/${room}/${encodeURIComponent(name)}/${paused ? "resume" : "pause"}`;
    const run = async () => {
      await request(url, { method: "POST" });
      setTimeout(() => this.load(room));
    };
    return action(paused ? "Resume" : "Pause", run, paused ? "" : "Start none of it?");
  }
}

const number = (value) => (typeof value === "number" ? value.toLocaleString("en", { maximumFractionDigits: 1 }) : "–");
const link = (href, words) => element("a", { href }, words);
const state = (paused) => element("span", { class: "badge", "data-state": paused && "held" }, paused ? "paused" : "open");

function load({ concurrency, running, running_count: count = running.length }) {
  const bar = element("progress", { max: concurrency, value: count, "aria-label": "busy" });
  return element("span", { class: "load" }, bar, ` ${count} of ${concurrency}`);
}

function runs({ running }) {
  const run = ({ job_id: id, kind, started_at: at }) => link(`#/jobs/${id}`, `${kind} ${duration(between(at))}`);
  return element("span", { class: "tags" }, ...running.slice(0, MOST_RUNS).map(run));
}

function subject({ job_id: job, batch_id: batch }) {
  return link(job ? `#/jobs/${job}` : `#/batches/${batch}`, element("code", {}, (job ?? batch).slice(0, 6)));
}

/** Of each, by its name in the API: its columns, a row, and what it says when there is none. */
const ROOMS = {
  queues: {
    title: "Queues",
    columns: ["queue", "state", "waiting", "delayed", "running", "lag", "started / min", "ended / min", ""],
    row: (one, hold) => [
      one.queue, state(one.paused), number(one.waiting), number(one.delayed), number(one.running),
      typeof one.lag_seconds === "number" ? duration(one.lag_seconds) : "–",
      number(one.started_per_minute), number(one.ended_per_minute), hold(one.queue),
    ],
    nothing: "No kind has been announced yet.",
  },
  workers: {
    title: "Workers",
    columns: ["worker", "busy", "runs", "queues", "up", "seen"],
    row: (one) => [
      element("span", { title: one.host }, one.worker), load(one), runs(one), one.queues.join(", "),
      duration(between(one.started_at)), ago(one.last_seen_at),
    ],
    nothing: "No worker is there. Start one with `tidings worker`.",
  },
  kinds: {
    title: "Kinds",
    columns: ["kind", "state", "queue", "at once", "attempts", "timeout", ""],
    row: (one, hold) => [
      link(`#/?${new URLSearchParams({ kind: one.kind })}`, one.kind), state(one.paused), one.queue,
      one.max_running ? number(one.max_running) : "any", number(one.max_attempts), duration(one.timeout_seconds),
      hold(one.kind),
    ],
    nothing: "No worker has announced a kind yet.",
  },
  pollers: {
    title: "Asking too often",
    columns: ["owner", "asks for", "refused", "last"],
    row: (one) => [one.owner, subject(one), number(one.refused), ago(one.last_at)],
    nothing: "Nobody does.",
  },
};
