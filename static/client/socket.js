/** All topics over one multiplexed WebSocket, which fresh tokens keep open and pings keep honest. */

import { Refusal } from "./service.js";
import { FEED, NO_USE } from "./topic.js";

const FIRST_MS = 5_000;
const SILENCE_MS = 25_000;
const PONG_MS = 10_000;
const SHORTEST_LIFE_MS = 5_000;
const RETRY_MS = 500;
const UNAUTHENTICATED = 4401;
const FORBIDDEN = 4403;
const REFUSALS = new Map([[UNAUTHENTICATED, "unauthenticated"], [FORBIDDEN, "forbidden"]]);
const OF_TOPIC = new Set(["unknown_job", "forbidden", "too_many_subscriptions"]);

/** @type {Way} */
export async function socket(connection) {
  const token = await connection.service.token();
  let rest = await carry(connection, token);
  if (rest === UNAUTHENTICATED) {
    const fresh = await connection.service.token(token);
    if (fresh !== token) rest = await carry(connection, fresh);
  }
  const code = REFUSALS.get(rest);
  if (!code) return rest;
  for (const name of [...connection.topics.keys()]) connection.end(name, new Refusal(rest - 4000, { code }));
  return 0;
}

/** @param {Connection} connection @param {string} token @returns {Promise<number>} milliseconds, or a code of REFUSALS */
const carry = (connection, token) => new Promise((resolve) => new Line(connection, token, resolve));

class Line {
  /** The turn of each topic that is subscribed to. @type {Map<string, number>} */
  #subscribed = new Map();
  #heard = false;
  #silence;
  #renewal = 0;

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
    for (const name of this.#subscribed.keys()) {
      if (topics.has(name)) continue;
      this.#subscribed.delete(name);
      this.#send({ op: "unsubscribe", ...subject(name) });
    }
    for (const { name, seq, turn } of topics.values()) {
      if (this.#subscribed.get(name) === turn) continue;
      this.#subscribed.set(name, turn);
      this.#send({ op: "subscribe", ref: `${turn} ${name}`, ...subject(name), ...(seq === null ? {} : { after: seq }) });
    }
    if (!topics.size) this.#finish(0);
  }

  /** @param {string} text one object a line */
  #read(text) {
    this.#heard = true;
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => this.#ping(), SILENCE_MS);
    for (const line of text.split("\n")) this.#take(JSON.parse(line));
  }

  /** @param {any} frame */
  #take({ op, ref, type, job_id: id = FEED, ...frame }) {
    const { connection } = this;
    const [turn, name = FEED] = String(ref).split(" ");
    if (type) {
      connection.hear(connection.topics.has(FEED) ? FEED : id, { job_id: id, type, ...frame });
    } else if (op === "subscribed") {
      const topic = connection.topics.get(name);
      if (topic?.turn === Number(turn)) topic.ready = true;
      connection.show("live");
    } else if (op === "unsubscribed" && frame.reason) {
      if (!connection.topics.get(id)?.ready) return; // of the turn before
      this.#subscribed.delete(id);
      connection.end(id, frame.reason === "ended" ? undefined : new Refusal(403, { code: "forbidden" }));
    } else if (op === "authenticated" && frame.expires_at) {
      const left = Date.parse(frame.expires_at) - Date.now();
      this.#renewal = setTimeout(() => this.#renew(), Math.max(left * 0.8, SHORTEST_LIFE_MS));
    } else if (op === "error" && OF_TOPIC.has(frame.code)) {
      connection.end(name, new Refusal(frame.code === "unknown_job" ? 404 : 403, frame));
    } else if (op === "error") this.#finish(RETRY_MS);
  }

  async #renew() {
    const fresh = await this.connection.service.token(this.token).catch(() => this.token);
    if (fresh === this.token) return;
    this.token = fresh;
    this.#send({ op: "auth", token: fresh });
  }

  #ping() {
    this.#send({ op: "ping" });
    this.#silence = setTimeout(() => this.#finish(RETRY_MS), PONG_MS);
  }

  /** @param {number} code */
  async #closed(code) {
    if (!this.#heard) return this.#finish(REFUSALS.has(code) ? code : NO_USE);
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

/** @param {string} name */
const subject = (name) => (name === FEED ? { feed: true } : { job_id: name });
