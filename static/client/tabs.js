/**
 * One connection for all tabs of a browser: the tab that holds the lock has it and tells the others on a channel. When
 * it goes, the lock passes on, and the next asks all tabs how far they are. Where there are no locks (a page that came
 * by plain HTTP) and where tabs may have different rights, each has its own.
 */

import { Connection } from "./connection.js";
import { newKey } from "./service.js";

/** @typedef {import("./connection.js").News} News @typedef {import("./follow.js").Follower} Follower */

const LOOK_ROUND_MS = 30_000;

export class Tabs {
  #id = newKey();
  /** @type {Map<string, Set<Follower>>} */
  #followers = new Map();
  /** @type {?Connection} */
  #connection = null;
  /** @type {?BroadcastChannel} */
  #channel = null;
  /** @type {import("./connection.js").State | undefined} */
  #state;
  /** @type {Promise<void> | undefined} */
  #joined;

  /**
   * @param {import("./service.js").Service} service
   * @param {() => ?string} share tabs where it is the same share one; null: nobody does
   * @param {string} what they follow
   */
  constructor(service, share, what) {
    this.service = service;
    this.share = share;
    this.what = what;
  }

  /** Tell it all that comes after what it knows. Harmless when repeated. @param {Follower} follower */
  watch(follower) {
    const group = this.#followers.get(follower.topic) ?? new Set();
    this.#followers.set(follower.topic, group.add(follower));
    if (this.#state) follower.show(this.#state);
    this.#joined ??= this.#join();
    this.#want(follower);
  }

  /** @param {Follower} follower */
  leave(follower) {
    const group = this.#followers.get(follower.topic);
    group?.delete(follower);
    if (!group?.size) this.#followers.delete(follower.topic);
    this.#want();
  }

  async #join() {
    const shared = this.share();
    if (shared === null || !globalThis.navigator?.locks) return this.#lead();
    const name = `tidings ${this.what} ${this.service.base} ${await digest(shared)}`;
    this.#channel = new BroadcastChannel(name);
    this.#channel.onmessage = ({ data }) => this.#receive(data);
    navigator.locks.request(name, () => {
      this.#lead();
      return new Promise(() => {}); // until this tab is no more
    });
    this.#want("all");
  }

  #lead() {
    const connection = new Connection(this.service, (news) => {
      this.#channel?.postMessage(news);
      this.#tell(news);
    });
    this.#connection = connection;
    this.#want("all");
    this.#channel?.postMessage({ who: "all" });
    if (this.#channel) setInterval(() => this.#lookRound(connection), LOOK_ROUND_MS);
  }

  /** @param {Connection} connection */
  #lookRound(connection) {
    connection.forgetSilent();
    this.#channel?.postMessage({ who: "" });
    this.#want();
  }

  /** Say what this tab follows. @param {Follower | "all" | ""} [fresh] of which all that follows is needed */
  #want(fresh = "") {
    const wants = [...this.#followers].map(([name, group]) => {
      const known = [...group].map(({ seq }) => seq).filter((seq) => seq !== null);
      const after = known.length ? Math.min(...known) : null;
      const blank = known.length < group.size;
      return { name, after, blank, fresh: fresh === "all" || (fresh !== "" && fresh.topic === name) };
    });
    if (this.#connection) this.#connection.want(this.#id, wants);
    else this.#channel?.postMessage({ tab: this.#id, wants });
  }

  /** @param {any} message */
  #receive(message) {
    if (message.tab) this.#connection?.want(message.tab, message.wants);
    else if ("who" in message) this.#want(message.who);
    else this.#tell(message);
  }

  /** @param {News} news */
  #tell(news) {
    if ("state" in news) this.#state = news.state;
    const groups = "state" in news ? [...this.#followers.values()] : [this.#followers.get("over" in news ? news.over : news.topic)];
    for (const follower of groups.flatMap((group) => [...(group ?? [])])) {
      if ("event" in news) this.#hear(follower, news.event);
      else if ("state" in news) follower.show(news.state);
      else if (news.why || follower.lagging || (follower.seq ?? -1) >= (news.seq ?? 0)) follower.end(news.why);
      else this.#want(follower); // it came when that was on its way
    }
  }

  /** @param {Follower} follower @param {import("./job.js").JobEvent} event */
  #hear(follower, event) {
    const blank = follower.seq === null;
    follower.hear(event);
    if (blank && follower.seq !== null && follower.topic) this.#want(follower);
  }
}

/** So that no key is read from the name of a lock. @param {string} text */
async function digest(text) {
  const bytes = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)));
  return Array.from(bytes.slice(0, 9), (byte) => byte.toString(36)).join("");
}
