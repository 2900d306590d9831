/**
 * One connection for all tabs: the tab that holds the lock has it and tells the others on a channel. When it goes the
 * lock passes on, and the next asks all how far they are; from one that stands still, behind a dialog say, it is taken.
 * Where there are no locks (a page that came by plain HTTP), and where tabs may have different rights, each has its own.
 */

import { Connection } from "./connection.js";
import { newKey } from "./service.js";

const LOOK_ROUND_MS = 30_000;
/** A timer of a hidden tab may run but once a minute. */
const MOST_SILENCES = 3;

export class Tabs {
  #id = newKey();
  /** @type {Map<string, Set<Follower>>} */
  #followers = new Map();
  /** @type {?Connection} */
  #connection = null;
  /** @type {?BroadcastChannel} */
  #channel = null;
  /** @type {State | undefined} */
  #state;
  /** One for each time it joined. @type {?object} */
  #joined = null;
  /** Ends its wait for the lock, or its hold. */
  #turn = new AbortController();
  #looking = 0;
  /** How often it has looked round since who leads was heard. */
  #silences = 0;

  /** @param {Service} service @param {string} what is followed @param {() => ?string} share the same in tabs that may
   * share, or null */
  constructor(service, what, share) {
    this.service = service;
    this.what = what;
    this.share = share;
  }

  /** Tell it all that comes after what it knows. A repeat tells it again. @param {Follower} follower */
  watch(follower) {
    const group = this.#followers.get(follower.topic) ?? new Set();
    this.#followers.set(follower.topic, group.add(follower));
    if (this.#state) follower.show(this.#state);
    if (this.#joined) this.#want(follower.topic);
    else this.#join();
  }

  /** @param {Follower} follower */
  leave(follower) {
    const group = this.#followers.get(follower.topic);
    group?.delete(follower);
    if (!group?.size) this.#followers.delete(follower.topic);
    this.#want();
  }

  /** End all followers. */
  close() {
    const why = { status: 0, code: "closed", detail: "The client was closed." };
    for (const group of this.#followers.values()) for (const follower of group) follower.end(why);
    this.#followers.clear();
    this.#want();
    this.#quit();
  }

  /** Hold nothing any more; who watches again joins again. */
  #quit() {
    clearInterval(this.#looking);
    this.#turn.abort();
    this.#channel?.close();
    this.#yield();
    this.#channel = this.#joined = null;
    this.#state = undefined;
  }

  async #join() {
    const joined = (this.#joined = {});
    const shared = this.share();
    if (shared === null || !globalThis.navigator?.locks) return this.#lead();
    const name = `tidings ${this.what} ${this.service.base} ${await digest(shared)}`;
    if (this.#joined !== joined) return;
    this.#channel = new BroadcastChannel(name);
    this.#channel.onmessage = ({ data }) => this.#receive(data);
    this.#looking = setInterval(() => this.#lookRound(name), LOOK_ROUND_MS);
    this.#want(null);
    this.#stand(name);
  }

  /** Lead as soon as nobody does, or instead of who does. @param {string} name @param {boolean} [steal] */
  #stand(name, steal = false) {
    this.#turn.abort();
    const { signal } = (this.#turn = new AbortController());
    const held = () => {
      if (signal.aborted) return;
      this.#lead();
      return new Promise((resolve) => signal.addEventListener("abort", resolve));
    };
    navigator.locks.request(name, steal ? { steal } : { signal }, held).catch(() => {
      if (signal.aborted) return;
      if (!this.#connection) return this.#lead(); // a sandboxed frame may have none
      this.#yield(); // it was stolen
      this.#want(null);
      this.#stand(name);
    });
  }

  #lead() {
    this.#connection = new Connection(this.service, (news) => {
      this.#channel?.postMessage(news);
      this.#tell(news);
    });
    if (this.#state) this.#connection.show("reconnecting"); // the one before is gone
    this.#want(null);
    this.#channel?.postMessage({ who: null });
  }

  /** Lead no more. */
  #yield() {
    this.#connection?.close();
    this.#connection = null;
  }

  /** @param {string} name of the lock */
  #lookRound(name) {
    if (!this.#followers.size && !this.#connection?.topics.size) return this.#quit();
    if (this.#connection) {
      this.#connection.forgetSilent();
      this.#channel?.postMessage({ who: undefined });
      this.#want();
    } else if ((this.#silences += 1) > MOST_SILENCES) this.#stand(name, true);
  }

  /** Say what this tab follows. @param {?string} [anew] of which its followers need what they do not know; null: of all */
  #want(anew) {
    const wants = [...this.#followers].map(([name, group]) => {
      const known = [...group].map(({ seq }) => seq).filter((seq) => seq !== null);
      const after = known.length ? Math.min(...known) : null;
      return { name, after, blank: known.length < group.size, fresh: anew === null || anew === name };
    });
    if (this.#connection) this.#connection.want(this.#id, wants);
    else this.#channel?.postMessage({ tab: this.#id, wants });
  }

  /** @param {any} message */
  #receive(message) {
    if (message.tab) return this.#connection?.want(message.tab, message.wants);
    this.#silences = 0;
    if ("who" in message) this.#want(message.who);
    else this.#tell(message);
  }

  /** @param {News} news */
  #tell(news) {
    if ("state" in news) {
      if (news.state === this.#state) return;
      this.#state = news.state;
      for (const group of this.#followers.values()) for (const follower of group) follower.show(news.state);
    } else if ("event" in news) {
      for (const follower of this.#followers.get(news.topic) ?? []) follower.hear(news.event, news.before);
    } else {
      for (const follower of this.#followers.get(news.over) ?? []) this.#end(follower, news);
    }
  }

  /** @param {Follower} follower @param {Extract<News, {over: string}>} news */
  #end(follower, { over, seq, why }) {
    if (why || follower.lagging || (follower.seq ?? -1) >= (seq ?? 0)) follower.end(why);
    else this.#want(over); // it came while that was on its way
  }
}

/** So that no key is read from the name of a lock. @param {string} text */
async function digest(text) {
  const bytes = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)));
  return bytes.slice(0, 12).join("");
}
