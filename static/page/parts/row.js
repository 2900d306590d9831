/** One job in a list: its bar, its status in words, what can be done about it. No network. */

import { action, element, showText } from "../dom.js";
import { ended } from "../../tidings.js";
import { ago, left, messageOf, moment, showBar, took } from "../words.js";

export class Row {
  /** @param {Job} job @param {{cancel: (id: string) => Promise, retry: (id: string) => Promise}} tools */
  constructor(job, tools) {
    const { job_id: id, kind } = job;
    this.bar = element("progress", { max: 100, "aria-label": `${kind} ${id.slice(0, 6)}` });
    this.status = element("strong", { class: "status" });
    this.percent = element("span", { class: "percent" });
    this.message = element("span", { class: "message" });
    this.tags = element("span", { class: "tags" });
    this.aside = element("span", { class: "aside" });
    this.time = element("time", { class: "time", datetime: job.created_at, title: moment(job.created_at) });
    this.cancel = action("Cancel", () => tools.cancel(id));
    this.retry = action("Retry", () => tools.retry(id));
    this.element = element(
      "li",
      { class: "job" },
      element("a", { class: "title", href: `#/jobs/${id}`, title: id }, kind, " ", element("code", {}, id.slice(0, 6))),
      this.bar,
      element("span", { class: "told" }, this.status, " ", this.percent),
      element("span", { class: "said" }, this.tags, this.message),
      this.aside,
      this.time,
      this.cancel,
      this.retry,
    );
    this.show(job);
  }

  /** @param {Job} job */
  show(job) {
    const { status, tags, eta_seconds: eta } = job;
    const done = ended(job);
    const { dataset } = this.element;
    if (dataset.state !== status) dataset.state = status;
    this.element.toggleAttribute("data-stopping", !done && Boolean(job.cancel_requested_at));
    showText(this.time, ago(job.created_at));
    showText(this.percent, showBar(this.bar, job));
    showText(this.status, status);
    showText(this.message, messageOf(job));
    this.message.title = this.message.textContent;
    showText(this.aside, status === "processing" && typeof eta === "number" ? left(eta) : took(job));
    this.showTags(tags);
    this.cancel.hidden = done || Boolean(job.cancel_requested_at);
    this.retry.hidden = status !== "failed" && status !== "cancelled";
  }

  showTags(tags) {
    const key = tags.join();
    if (this.key === key) return;
    this.key = key;
    this.tags.replaceChildren(...tags.map((tag) => element("a", { href: `#/?${new URLSearchParams({ tag })}` }, tag)));
  }
}
