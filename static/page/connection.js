/**
 * How news come: all over one WebSocket; where that is blocked, by event streams; where these are too, by asking.
 * Knows no DOM. `app.js` makes the only one.
 */

import { authorization } from "../client/session.js";
import { jobUrl } from "../tidings.js";

/** @typedef {"connecting" | "live" | "streaming" | "polling" | "offline" | "locked"} State */

const FIRST_WORD_MS = 5_000;
const SILENCE_MS = 25_000;
const POLL_MS = 4_000;
const LONGEST_PAUSE_MS = 15_000;
const FIRST_BREAK_MS = 30_000;
const LONGEST_BREAK_MS = 300_000;

const TYPES = [
  "snapshot", "pending", "position", "suspended", "resumed", "processing", "progress", "log", "waiting",
  "cancel_requested", "artifact", "metric", "completed", "failed", "cancelled",
];

export class Connection {
  /**
   * @param {object} to
   * @param {(event: object) => void} to.hear
   * @param {(state: State) => void} to.show
   * @param {() => Promise<void>} to.ask reads whatever a broken line kept from us; rejects with a Refusal
   */
  constructor(to) {
    this.to = to;
    this.job = "";
    this.whose = {};
    this.ways = [socket, stream].map((listen) => ({ listen, next: 0, rest: FIRST_BREAK_MS }));
    this.subscribe = () => {};
    this.wake = () => {};
    addEventListener("online", () => this.wake());
  }

  /** Have the whole log of one job told as well, or "" of none. */
  watch(jobId) {
    if (this.job) this.subscribe(this.job, false);
    this.job = jobId;
    if (jobId) this.subscribe(jobId, true);
  }

  /** For ever. */
  async run() {
    for (let tries = 0; ; tries += 1) {
      const began = Date.now();
      const heard = (await this.by(this.ways[0])) || (await this.by(this.ways[1]));
      if (heard && Date.now() - began > LONGEST_PAUSE_MS) tries = 0; // not where it breaks again and again
      const state = heard ? "connecting" : await this.ask();
      this.to.show(state);
      const growing = Math.min(500 * 2 ** tries, LONGEST_PAUSE_MS);
      await this.pause(state === "polling" ? POLL_MS : growing);
    }
  }

  /** Resolves to whether anything was heard, when nothing more is. */
  async by(way) {
    if (Date.now() < way.next) return false;
    const heard = await way.listen(this);
    this.subscribe = () => {};
    way.silent = !heard;
    if (heard) way.rest = FIRST_BREAK_MS;
    return heard;
  }

  /** @returns {Promise<State>} */
  async ask() {
    try {
      await this.to.ask();
    } catch ({ status }) {
      if (status === 401) return "locked";
      if (!status || status >= 500) return "offline";
    }
    for (const way of this.ways.filter(({ silent }) => silent)) {
      way.silent = false;
      way.next = Date.now() + way.rest;
      way.rest = Math.min(2 * way.rest, LONGEST_BREAK_MS);
    }
    return "polling";
  }

  /** Shown as live, with all that was missed. */
  live(state) {
    this.to.show(state);
    this.to.ask().catch(() => {});
  }

  /** Never in step with others; cut short when there is reason to. */
  pause(milliseconds) {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, milliseconds * (0.5 + Math.random()));
      this.wake = () => {
        clearTimeout(timer);
        for (const way of this.ways) way.next = 0;
        resolve();
      };
    });
  }
}

function socket(connection) {
  return new Promise((resolve) => {
    const line = new WebSocket(`${location.origin.replace("http", "ws")}/api/ws`, "tidings.v1");
    const send = (frame) => line.readyState === WebSocket.OPEN && line.send(JSON.stringify(frame));
    let heard = false;
    const finish = () => {
      clearTimeout(timer);
      line.onclose = line.onmessage = null;
      line.close();
      resolve(heard);
    };
    let timer = setTimeout(finish, FIRST_WORD_MS);
    const alive = () => {
      clearTimeout(timer);
      timer = setTimeout(() => {
        send({ op: "ping" });
        timer = setTimeout(finish, FIRST_WORD_MS);
      }, SILENCE_MS);
    };
    const answered = ({ op, ref }) => {
      if (ref !== "feed") return;
      if (op === "error") return finish();
      heard = true;
      connection.live("live");
    };
    line.onopen = () => {
      const token = authorization().Authorization?.slice("Bearer ".length);
      if (token) send({ op: "auth", token });
      send({ op: "subscribe", ref: "feed", feed: true, filter: connection.whose });
      if (connection.job) connection.subscribe(connection.job, true);
    };
    line.onmessage = ({ data }) => {
      for (const told of data.split("\n").map(JSON.parse)) told.type ? connection.to.hear(told) : answered(told);
      if (heard) alive();
    };
    line.onclose = finish;
    connection.subscribe = (id, on) => send({ op: on ? "subscribe" : "unsubscribe", job_id: id, ...(on && { after: 0 }) });
  });
}

function stream(connection) {
  return new Promise((resolve) => {
    let heard = false;
    let watched = null;
    const open = (url) => {
      const source = new EventSource(url);
      for (const type of TYPES) source.addEventListener(type, ({ data }) => connection.to.hear(JSON.parse(data)));
      return source;
    };
    const feed = open(`/api/events${connection.whose.owner ? "?owner=*" : ""}`);
    const finish = () => {
      clearTimeout(timer);
      feed.close();
      watched?.close();
      resolve(heard);
    };
    const timer = setTimeout(finish, FIRST_WORD_MS);
    connection.subscribe = (id, on) => {
      watched?.close();
      watched = on ? open(`${jobUrl(id)}/events?after=0`) : null;
    };
    feed.onerror = finish;
    feed.onopen = () => {
      clearTimeout(timer);
      heard = true;
      connection.live("streaming");
      if (connection.job) connection.subscribe(connection.job, true);
    };
  });
}
