/** A batch: how many of its jobs stand where, what can be done to all of them, and their list. */

import { action, element, say, showText } from "../dom.js";
import { ListView } from "./list.js";
import { request } from "../../tidings.js";
import { ago, moment, percent } from "../words.js";

const STATUSES = ["completed", "processing", "failed", "cancelled", "pending"];
const TOLD = ["snapshot", "progress", "completed"];

export class BatchView {
  /** @param {object} page see app.js */
  constructor(page, query, id) {
    Object.assign(this, { id, url: `/api/batches/${id}` });
    this.list = new ListView(page, { ...query, batch_id: id });
    this.bar = element("progress", { max: 100, "aria-labelledby": "title" });
    this.told = element("p", { class: "told" });
    this.parts = STATUSES.map((status) => element("i", { "data-state": status }));
    this.retry = action("Retry failed", () => this.command("retry"), "Retry all that failed?");
    this.cancel = action("Cancel all", () => this.command("cancel"), "Cancel all that have not ended?");
    this.retry.hidden = this.cancel.hidden = true;
    const back = element("a", { class: "back", href: "#/" }, "Jobs");
    const title = element("h1", { id: "title" }, "Batch ", element("code", { title: id }, id.slice(0, 6)));
    this.head = element(
      "article",
      { class: "job page" },
      element("header", {}, back, title, this.retry, this.cancel),
      element("div", { class: "share", "aria-hidden": "true" }, ...this.parts),
      this.bar,
      this.told,
    );
    this.element = element("div", {}, this.head, this.list.element);
    this.title = `Batch ${id.slice(0, 6)}`;
    this.listen();
  }

  set(query) {
    this.list.set({ ...query, batch_id: this.id });
  }

  shown() {
    this.list.shown();
  }

  leave() {
    this.source.close();
    this.list.leave();
  }

  /** Told apart from the jobs: what all of them come to is counted by the server. */
  listen() {
    this.source?.close();
    this.source = new EventSource(`${this.url}/events`);
    for (const type of TOLD) this.source.addEventListener(type, ({ data }) => this.show(JSON.parse(data).data));
    this.source.onerror = () => this.poll();
  }

  /** Once, where the stream is blocked or has ended. */
  async poll() {
    try {
      this.show((await request(this.url)).body);
    } catch ({ status, message }) {
      if (status === 404) showText(this.told, "There is no such batch here, or no longer.");
      else if (status && status !== 429) say(message);
    }
  }

  show({ status, counts, total, progress, created_at: at, cancel_requested_at: stopped }) {
    this.head.dataset.state = status;
    this.bar.value = progress.percent;
    this.parts.forEach((part, n) => (part.style.flexGrow = counts[STATUSES[n]]));
    const some = STATUSES.filter((name) => counts[name]);
    const count = (name) => element("span", { "data-state": name }, `${counts[name].toLocaleString("en")} ${name}`);
    const since = `${total.toLocaleString("en")} jobs, ${ago(at)}`;
    this.told.replaceChildren(
      element("strong", { class: "status" }, status),
      element("span", { class: "percent" }, percent(progress.percent)),
      ...some.map(count),
      element("time", { class: "aside", datetime: at, title: moment(at) }, since),
    );
    this.cancel.hidden = status === "completed" || Boolean(stopped);
    this.retry.hidden = !counts.failed;
  }

  async command(name) {
    await request(`${this.url}/${name}`, { method: "POST" });
    say(name === "retry" ? "They run again." : "They are being stopped.");
    this.listen();
  }
}
