/** One job: where it stands, what happened to it, what it says, what it was given and what it left. */

import { action, element, part, say, showText, table } from "../dom.js";
import { artifact } from "../parts/artifact.js";
import { Curves } from "../parts/curve.js";
import { Log } from "../parts/log.js";
import { Timeline } from "../parts/timeline.js";
import { ended, jobUrl, readLog, request } from "../../tidings.js";
import { ago, between, duration, left, messageOf, moment, percent, showBar, took } from "../words.js";

const SOON_MS = 250;
const OPENED = 2;

export class JobView {
  /** @param {object} page see app.js */
  constructor(page, _, id) {
    Object.assign(this, { page, id, seen: new Set(), last: 0 });
    this.status = element("strong", { class: "status" });
    this.percent = element("span", { class: "percent" });
    this.message = element("span", { class: "message" });
    this.aside = element("span", { class: "aside" });
    this.bar = element("progress", { max: 100, "aria-labelledby": "title" });
    this.error = element("pre", { class: "error", hidden: true });
    this.facts = element("dl", {});
    this.kind = element("span", {});
    const { cancel, retry, purge } = page.tools;
    const leave = () => (location.hash = "#/");
    this.buttons = {
      cancel: action("Cancel", () => cancel(id)),
      retry: action("Retry", () => retry(id)),
      again: action("Again with changes", () => this.again()),
      purge: action("Forget", () => purge(id).then(leave), "Forget it, files too?"),
    };
    this.timeline = new Timeline();
    this.curves = new Curves();
    this.log = new Log();
    this.parts = {
      metrics: part("Metrics", this.curves.element),
      files: part("Files", (this.files = element("ul", { class: "files" }))),
      result: part("Result", (this.result = element("pre", { tabindex: "0" }))),
      log: part("Log", this.log.element),
      webhooks: part("Webhooks", (this.webhooks = element("div", {}))),
      params: part("Params", (this.params = element("pre", { tabindex: "0" }))),
    };
    for (const hidden of Object.values(this.parts)) hidden.hidden = true;
    this.element = this.assemble();
    this.quit = page.jobs.watch((ids) => ids.has(id) && this.show());
    this.ticking = setInterval(() => this.tick(), 1_000);
    this.show();
    this.load();
    page.watch(id, (event) => this.hear(event));
  }

  assemble() {
    const { id, parts } = this;
    const short = element("code", { title: id }, id.slice(0, 6));
    const copy = action("Copy id", () => navigator.clipboard.writeText(id).then(() => say("Copied.")));
    return element(
      "article",
      { class: "job page", "data-state": "loading" },
      element("header", {}, element("a", { class: "back", href: "#/" }, "Jobs"), element("h1", { id: "title" }, this.kind, " ", short), ...Object.values(this.buttons), copy),
      this.bar,
      element("p", { class: "told" }, this.status, this.percent, this.message, this.aside),
      this.error,
      element("div", { class: "columns" },
        element("div", {}, part("Timeline", this.timeline.element), parts.metrics, parts.log, parts.files, parts.result, parts.webhooks),
        element("aside", {}, part("Details", this.facts), parts.params)),
    );
  }

  leave() {
    this.quit();
    clearInterval(this.ticking);
    this.page.watch("");
  }

  get job() {
    return this.page.jobs.known.get(this.id);
  }

  get title() {
    const { job } = this;
    if (!job) return "";
    return `${job.status === "processing" && job.progress ? `${percent(job.progress.percent)} · ` : ""}${job.kind} ${this.id.slice(0, 6)}`;
  }

  /** Once more where the end or a file was told: only the job object has it all. */
  async load() {
    this.loading = 0;
    try {
      await this.page.jobs.read(this.id);
    } catch (refusal) {
      this.refuse(refusal);
    }
    this.loadWebhooks();
  }

  refuse({ status, message }) {
    if (this.job || status === 401 || !status) return;
    const words = status === 404 ? "There is no such job here, or no longer." : message;
    this.element.replaceChildren(element("div", { class: "empty" }, element("strong", {}, words), element("p", {}, element("a", { href: "#/" }, "All jobs"))));
    this.element.dataset.state = "gone";
  }

  async loadParams() {
    this.asked = true;
    const { body } = await request(`${jobUrl(this.id)}/params`).catch(() => ({}));
    this.given = body;
    reveal(this.parts.params, this.params, body && Object.keys(body).length ? JSON.stringify(body, null, 2) : "");
  }

  again() {
    this.page.prefill(this.job.kind, this.given ?? {});
    location.hash = "#/new";
  }

  async loadWebhooks() {
    const { body } = await request(`${jobUrl(this.id)}/deliveries`).catch(() => ({}));
    const rows = (body?.deliveries ?? []).map((one) => [
      one.event, one.url, one.status, String(one.attempt), one.http_status ? String(one.http_status) : (one.error ?? ""),
      action("Send again", () => request(`${jobUrl(this.id)}/deliveries/${one.n}/redeliver`, { method: "POST" }).then(() => this.later())),
    ]);
    this.webhooks.replaceChildren(table(["event", "to", "status", "attempts", "answer", ""], rows));
    this.parts.webhooks.hidden = !rows.length;
  }

  later() {
    this.loading ||= setTimeout(() => this.load(), SOON_MS);
  }

  /** Where no stream brings the log, it is asked for. */
  async poll() {
    for (const event of await readLog(this.id, this.last)) this.hear(event);
  }

  /** Each once, in their order, whichever way they come. */
  hear(event) {
    if (event.type === "snapshot" || this.seen.has(event.seq)) return;
    this.seen.add(event.seq);
    this.last = Math.max(this.last, event.seq);
    if (event.type === "log") this.log.add(event);
    if (event.type === "metric") this.curves.add(event);
    this.timeline.add(event);
    this.parts.log.hidden = !this.log.events.length;
    this.parts.metrics.hidden = !this.curves.plots.size;
    if (event.type === "processing") this.worker = event.data.worker;
    if (["artifact", "completed", "failed", "cancelled"].includes(event.type)) this.later();
  }

  show() {
    const { job, buttons } = this;
    if (!job) return;
    const done = ended(job);
    this.element.dataset.state = job.status;
    this.element.toggleAttribute("data-stopping", !done && Boolean(job.cancel_requested_at));
    showText(this.kind, job.kind);
    showText(this.percent, showBar(this.bar, job));
    showText(this.status, job.status);
    showText(this.message, job.status === "failed" ? "" : messageOf(job));
    showText(this.error, job.status === "failed" ? messageOf(job) : "");
    buttons.cancel.hidden = done || Boolean(job.cancel_requested_at);
    buttons.retry.hidden = job.status !== "failed" && job.status !== "cancelled";
    buttons.again.hidden = buttons.purge.hidden = !done;
    this.showFiles(job);
    reveal(this.parts.result, this.result, job.result === null || job.result === undefined ? "" : JSON.stringify(job.result, null, 2));
    if (!this.asked) this.loadParams();
    this.tick();
    this.page.title();
  }

  showFiles({ artifacts, result_url: url, status }) {
    const files = artifacts.length || !url || status !== "completed" ? artifacts : [{ url, name: "result.json" }];
    const key = JSON.stringify(files);
    if (this.filesShown === key) return;
    this.filesShown = key;
    this.files.replaceChildren(...files.map((file, n) => artifact(file, n < OPENED)));
    this.parts.files.hidden = !files.length;
  }

  /** What changes as time goes by. */
  tick() {
    const { job } = this;
    if (!job) return;
    showText(this.aside, job.status === "processing" && typeof job.eta_seconds === "number" ? left(job.eta_seconds) : took(job));
    this.facts.replaceChildren(...factsOf(job, this.worker).flatMap(([name, value]) => (value ? [element("dt", {}, name), element("dd", {}, value)] : [])));
    this.timeline.show();
  }
}

function factsOf(job, worker) {
  const when = (at) => at && element("time", { datetime: at, title: moment(at) }, ago(at));
  const words = Object.entries(job.metadata ?? {}).map(([name, value]) => link(`#/?q=${encodeURIComponent(`${name}:${value}`)}`, `${name}: ${value}`));
  return [
    ["Submitted", when(job.created_at)],
    ["Waited", job.started_at && job.attempt === 1 && duration(between(job.created_at, job.started_at))],
    ["Started", when(job.started_at)],
    ["Ended", when(job.finished_at)],
    ["Ran", took(job)],
    ["Attempt", job.attempt > 0 && `${job.attempt} of ${job.max_attempts}`],
    ["Worker", worker],
    ["Kind", link(`#/?kind=${job.kind}`, job.kind)],
    ["Queue", link("#/queues", job.queue)],
    ["Priority", job.priority > 0 && String(job.priority)],
    ["Owner", job.owner],
    ["Batch", job.batch_id && link(`#/batches/${job.batch_id}`, job.batch_id.slice(0, 6))],
    ["Tags", several(job.tags.map((tag) => link(`#/?tag=${encodeURIComponent(tag)}`, tag)))],
    ["Metadata", several(words)],
    ["Kept until", job.expires_at && moment(job.expires_at)],
  ];
}

const link = (href, words) => element("a", { href }, words);
const several = (nodes) => nodes.length && element("span", { class: "tags" }, ...nodes);

function reveal(section, node, text) {
  section.hidden = !text;
  if (node.textContent !== text) node.textContent = text;
}
