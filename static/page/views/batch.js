/** A batch: how many of its jobs stand where, what can be done to all of them, and their list. */

import { action, element, say, showText } from "../dom.js";
import { ListView } from "./list.js";
import { request } from "../../tidings.js";
import { ago, moment, percent } from "../words.js";

const REFRESH_MS = 1_000;
const STATUSES = ["completed", "processing", "failed", "cancelled", "pending"];

export class BatchView {
  /** @param {object} page see app.js */
  constructor(page, query, id) {
    Object.assign(this, { page, id, url: `/api/batches/${id}` });
    this.list = new ListView(page, { ...query, batch_id: id });
    this.bar = element("progress", { max: 100, "aria-labelledby": "title" });
    this.told = element("p", { class: "told" });
    this.parts = STATUSES.map((status) => element("i", { "data-state": status }));
    this.retry = action("Retry failed", () => this.command("retry"), "Retry all that failed?");
    this.cancel = action("Cancel all", () => this.command("cancel"), "Cancel all that have not ended?");
    const short = element("code", { title: id }, id.slice(0, 6));
    this.element = element(
      "div",
      {},
      element("article", { class: "job page" },
        element("header", {}, element("a", { class: "back", href: "#/" }, "Jobs"), element("h1", { id: "title" }, "Batch ", short), this.retry, this.cancel),
        element("div", { class: "share", "aria-hidden": "true" }, ...this.parts), this.bar, this.told),
      this.list.element,
    );
    this.retry.hidden = this.cancel.hidden = true;
    this.quit = page.jobs.watch((ids) => [...ids].some((one) => page.jobs.known.get(one)?.batch_id === id) && this.later());
    this.poll();
  }

  set(query) {
    this.list.set({ ...query, batch_id: this.id });
  }

  leave() {
    clearTimeout(this.waiting);
    this.quit();
    this.list.leave();
  }

  get title() {
    return `Batch ${this.id.slice(0, 6)}`;
  }

  /** Asked again when one of its jobs was heard of, a second later. */
  later() {
    this.waiting ||= setTimeout(() => this.poll(), REFRESH_MS);
  }

  async poll() {
    try {
      const { body } = await request(this.url);
      this.show(body);
    } catch (refusal) {
      showText(this.told, refusal.status === 404 ? "There is no such batch here, or no longer." : refusal.message);
      if (refusal.status !== 404) this.pause = (refusal.retryAfter ?? 5) * 1000;
    }
    this.waiting = this.pause ? setTimeout(() => this.poll(), this.pause) : 0;
    this.pause = 0;
  }

  show({ status, counts, total, progress, created_at: at, cancel_requested_at: stopped }) {
    const done = status === "completed";
    this.bar.value = progress.percent;
    this.parts.forEach((part, n) => (part.style.flexGrow = counts[STATUSES[n]]));
    const some = STATUSES.filter((name) => counts[name]).map((name) => element("span", { "data-state": name }, `${counts[name].toLocaleString("en")} ${name}`));
    this.told.replaceChildren(element("strong", { class: "status" }, status), element("span", { class: "percent" }, percent(progress.percent)), ...some, element("time", { class: "aside", datetime: at, title: moment(at) }, `${total.toLocaleString("en")} jobs, ${ago(at)}`));
    this.element.firstChild.dataset.state = status;
    this.cancel.hidden = done || Boolean(stopped);
    this.retry.hidden = !counts.failed;
  }

  async command(name) {
    await request(`${this.url}/${name}`, { method: "POST" });
    say(name === "retry" ? "They run again." : "They are being stopped.");
    this.later();
  }
}
