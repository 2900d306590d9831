/** All topics over one multiplexed WebSocket, which fresh tokens keep open and pings keep honest. */

import { Refusal } from "./service.js";
import { FEED, NO_USE } from "./topic.js";

/** @typedef {import("./connection.js").Connection} Connection */

const FIRST_MS = 5_000;
const SILENCE_MS = 25_000;
const PONG_MS = 10_000;
const SHORTEST_LIFE_MS = 5_000;
const RETRY_MS = 500;
const UNAUTHENTICATED = 4401;
const FORBIDDEN = 4403;
/** What of a topic's refusals is about the topic. */
const GONE = new Set(["unknown_job", "forbidden", "too_many_subscriptions"]);

/** @param {Connection} connection @returns {Promise<number>} */
export async function socket(connection) {
  const { service, topics } = connection;
  const token = await service.token();
  let rest = await carry(connection, token);
  if (rest === UNAUTHENTICATED) {
    const fresh = await service.token(token);
    if (fresh !== token) rest = await carry(connection, fresh);
  }
  if (rest !== UNAUTHENTICATED && rest !== FORBIDDEN) return rest;
  const why = rest === FORBIDDEN ? new Refusal(403, { code: "forbidden" }) : new Refusal(401, { code: "unauthenticated" });
  for (const name of [...topics.keys()]) connection.end(name, why);
  return 0;
}

/** @param {Connection} connection @param {string} token @returns {Promise<number>} */
function carry(connection, token) {
  return new Promise((resolve) => new Line(connection, token, resolve));
}

class Line {
  /** @type {Map<string, number>} the turn of each topic that is subscribed to */
  #subscribed = new Map();
  #heard = false;
  #silence;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #renewal;

  /** @param {Connection} connection @param {string} token @param {(rest: number) => void} resolve */
  constructor(connection, token, resolve) {
    const url = connection.service.url("/api/ws");
    url.protocol = url.protocol.replace("http", "ws");
    this.connection = connection;
    this.token = token;
    this.resolve = resolve;
    this.socket = new WebSocket(url, "tidings.v1");
    this.socket.onopen = () => this.#begin();
    this.socket.onmessage = ({ data }) => this.#read(data);
    this.socket.onclose = ({ code }) => this.#closed(code);
    this.#silence = setTimeout(() => this.#finish(NO_USE), FIRST_MS);
  }

  #begin() {
    if (this.token) this.#send({ op: "auth", token: this.token });
    this.connection.changed = () => this.#follow();
    this.#follow();
  }

  /** Subscribe to what is new or begun anew; leave what is wanted no more. */
  #follow() {
    const { topics } = this.connection;
    for (const name of this.#subscribed.keys()) if (!topics.has(name)) this.#leave(name);
    for (const { name, seq, turn } of topics.values()) {
      if (this.#subscribed.get(name) === turn) continue;
      this.#subscribed.set(name, turn);
      const after = seq === null ? {} : { after: seq };
      this.#send({ op: "subscribe", ref: `${turn} ${name}`, ...(name === FEED ? { feed: true } : { job_id: name, ...after }) });
    }
    if (!topics.size) this.#finish(0);
  }

  /** @param {string} name */
  #leave(name) {
    this.#subscribed.delete(name);
    this.#send({ op: "unsubscribe", ...(name === FEED ? { feed: true } : { job_id: name }) });
  }

  /** @param {string} text one object a line */
  #read(text) {
    this.#heard = true;
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => this.#ping(), SILENCE_MS);
    for (const line of text.split("\n")) this.#take(JSON.parse(line));
  }

  /** @param {any} frame */
  #take(frame) {
    const { connection } = this;
    const [turn, name] = String(frame.ref ?? "").split(" ");
    if (frame.type) {
      connection.hear(connection.topics.has(FEED) ? FEED : frame.job_id, frame);
    } else if (frame.op === "subscribed") {
      connection.show("live");
      const topic = connection.topics.get(name);
      if (topic && topic.turn === Number(turn)) topic.ready = true;
    } else if (frame.op === "unsubscribed" && frame.reason) {
      this.#subscribed.delete(frame.job_id ?? FEED);
      const why = frame.reason === "ended" ? undefined : new Refusal(403, { code: "forbidden" });
      connection.end(frame.job_id ?? FEED, why);
    } else if (frame.op === "authenticated" && frame.expires_at) {
      const left = Date.parse(frame.expires_at) - Date.now();
      this.#renewal = setTimeout(() => this.#renew(), Math.max(left * 0.8, SHORTEST_LIFE_MS));
    } else if (frame.op === "error") this.#refused(name, frame);
  }

  /** @param {string} name @param {{code: string, detail: string}} problem */
  #refused(name, problem) {
    const status = problem.code === "unknown_job" ? 404 : 403;
    if (GONE.has(problem.code)) this.connection.end(name, new Refusal(status, problem));
    else this.#finish(RETRY_MS);
  }

  async #renew() {
    const fresh = await this.connection.service.token(this.token).catch(() => "");
    if (!fresh || fresh === this.token) return;
    this.token = fresh;
    this.#send({ op: "auth", token: fresh });
  }

  #ping() {
    this.#send({ op: "ping" });
    this.#silence = setTimeout(() => this.#finish(RETRY_MS), PONG_MS);
  }

  /** @param {number} code */
  async #closed(code) {
    if (!this.#heard) return this.#finish(code === UNAUTHENTICATED || code === FORBIDDEN ? code : NO_USE);
    if (code === UNAUTHENTICATED) await this.connection.service.token(this.token).catch(() => "");
    this.#finish(code === UNAUTHENTICATED ? 0 : RETRY_MS * (1 + Math.random()));
  }

  /** @param {object} frame */
  #send(frame) {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(frame));
  }

  /** Its closing handshake is not waited for. @param {number} rest */
  #finish(rest) {
    this.socket.onopen = this.socket.onmessage = this.socket.onclose = null;
    clearTimeout(this.#silence);
    clearTimeout(this.#renewal);
    this.connection.changed = () => {};
    this.socket.close();
    this.resolve(rest);
  }
}
