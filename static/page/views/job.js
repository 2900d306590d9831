/** One job: where it stands, what happened to it, what it says, what it was given and what it left. */

import { action, element, part, say, settle, showText, table } from "../dom.js";
import { artifact } from "../parts/artifact.js";
import { Curves } from "../parts/curve.js";
import { Log } from "../parts/log.js";
import { Timeline } from "../parts/timeline.js";
import { ended, jobUrl, readLog, request } from "../../tidings.js";
import { ago, between, duration, left, messageOf, moment, percent, showBar, took } from "../words.js";

const SOON_MS = 250;
const OPENED = 2;
const MOST_EVENTS = 10_000;
const TOLD_ELSEWHERE = new Set(["snapshot", "progress", "position"]);
const MAKES_IT_OTHER = new Set(["artifact", "completed", "failed", "cancelled"]);

export class JobView {
  /** @param {object} page see app.js */
  constructor(page, _, id) {
    Object.assign(this, { page, id, seen: new Set(), events: [], fresh: [] });
    const { cancel, retry, purge } = page.tools;
    this.buttons = {
      cancel: action("Cancel", () => cancel(id)),
      retry: action("Retry", () => retry(id)),
      again: action("Again with changes", () => this.again()),
      purge: action("Forget", () => purge(id).then(() => (location.hash = "#/")), "Forget it, files too?"),
    };
    this.assemble();
    this.quit = page.jobs.watch((ids) => ids.has(id) && this.show());
    this.ticking = setInterval(() => this.tick(), 1_000);
    this.show();
    this.load();
    page.watch(id, (event) => this.hear(event));
  }

  assemble() {
    const words = (name) => (this[name] = element("span", { class: name }));
    const text = (name) => (this[name] = element("pre", { tabindex: "0" }));
    this.timeline = new Timeline();
    this.curves = new Curves();
    this.log = new Log();
    this.kind = element("span");
    this.status = element("strong", { class: "status" });
    this.bar = element("progress", { max: 100, "aria-labelledby": "title" });
    this.error = element("pre", { class: "error", hidden: true });
    this.facts = element("dl");
    this.parts = {
      metrics: part("Metrics", this.curves.element),
      log: part("Log", this.log.element),
      files: part("Files", (this.files = element("ul", { class: "files" }))),
      result: part("Result", text("result")),
      webhooks: part("Webhooks", (this.webhooks = element("div"))),
      params: part("Params", text("params")),
    };
    for (const unknown of [...Object.values(this.parts), ...Object.values(this.buttons)]) unknown.hidden = true;
    const { params, ...parts } = this.parts;
    const { id } = this;
    const back = element("a", { class: "back", href: "#/" }, "Jobs");
    const title = element("h1", { id: "title" }, this.kind, " ", element("code", { title: id }, id.slice(0, 6)));
    const copy = navigator.clipboard && action("Copy id", () => navigator.clipboard.writeText(id).then(() => say("Copied.")));
    this.element = element(
      "article",
      { class: "job page", "data-state": "loading" },
      element("header", {}, back, title, ...Object.values(this.buttons), copy),
      this.bar,
      element("p", { class: "told" }, this.status, words("percent"), words("message"), words("aside")),
      this.error,
      element(
        "div",
        { class: "columns" },
        element("div", {}, part("Timeline", this.timeline.element), ...Object.values(parts)),
        element("aside", {}, part("Details", this.facts), params),
      ),
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
    const far = job.status === "processing" && job.progress ? `${percent(job.progress.percent)} · ` : "";
    return `${far}${job.kind} ${this.id.slice(0, 6)}`;
  }

  /** Once more where its end was told: only the job object has it all. */
  async load() {
    this.loading = 0;
    await this.page.jobs.read(this.id).catch((refusal) => this.refuse(refusal));
    this.loadWebhooks();
  }

  later() {
    this.loading ||= setTimeout(() => this.load(), SOON_MS);
  }

  refuse({ status, message }) {
    if (this.job || status === 401 || !status) return;
    const words = status === 404 ? "There is no such job here, or no longer." : message;
    const back = element("p", {}, element("a", { href: "#/" }, "All jobs"));
    this.element.replaceChildren(element("div", { class: "empty" }, element("strong", {}, words), back));
    this.element.dataset.state = "gone";
  }

  /** @returns {Promise<object>} */
  async loadParams() {
    const { body = {} } = await request(`${jobUrl(this.id)}/params`).catch(() => ({}));
    this.showJson("params", Object.keys(body).length ? body : null);
    return body;
  }

  async again() {
    this.page.prefill(this.job.kind, await this.given);
    location.hash = "#/new";
  }

  async loadWebhooks() {
    const url = `${jobUrl(this.id)}/deliveries`;
    const { body } = await request(url).catch(() => ({ body: { deliveries: [] } }));
    const again = (n) => request(`${url}/${n}/redeliver`, { method: "POST" }).then(() => this.later());
    const send = (n) => action("Send again", () => again(n));
    const row = ({ n, event, url: to, status, attempt, http_status: code, error }) =>
      [event, to, status, String(attempt), String(code ?? error ?? ""), send(n)];
    this.webhooks.replaceChildren(table(["event", "to", "status", "attempts", "answer", ""], body.deliveries.map(row)));
    this.parts.webhooks.hidden = !body.deliveries.length;
  }

  /** Where no stream brings the log, it is asked for, to the job's end, unless it runs again. */
  async poll() {
    const { type, seq } = this.events.at(-1) ?? { seq: 0 };
    if (ended({ status: type }) && (!this.job || ended(this.job))) return;
    for (const event of await readLog(this.id, seq)) {
      this.page.jobs.hear(event);
      this.hear(event);
    }
  }

  /** Each once, whichever way it comes. */
  hear(event) {
    if (TOLD_ELSEWHERE.has(event.type) || this.seen.has(event.seq)) return;
    this.seen.add(event.seq);
    this.fresh.push(event);
    if (this.fresh.length > MOST_EVENTS) this.tell(); // nobody looks, and there are no frames
    this.frame ||= requestAnimationFrame(() => this.tell());
    if (MAKES_IT_OTHER.has(event.type)) this.later();
  }

  /** In their order. Where news overtook the log, as they do at first, all is told anew. */
  tell() {
    const fresh = this.fresh.splice(0).sort(bySeq);
    const late = fresh[0]?.seq < this.events.at(-1)?.seq;
    this.frame = 0;
    this.events.push(...fresh);
    if (late) this.events.sort(bySeq);
    if (late) this.renew();
    for (const event of late ? this.events : fresh) this.place(event);
    this.events.splice(0, this.events.length - MOST_EVENTS);
    if (this.seen.size > 2 * MOST_EVENTS) this.seen = new Set(this.events.map(({ seq }) => seq));
    this.parts.log.hidden = !this.log.events.length;
    this.parts.metrics.hidden = !this.curves.plots.size;
    this.tick();
  }

  place(event) {
    if (event.type === "log") this.log.add(event);
    else if (event.type === "metric") this.curves.add(event);
    else this.timeline.add(event);
    if (event.type === "processing") this.worker = event.data.worker;
  }

  renew() {
    for (const [name, made] of Object.entries({ timeline: new Timeline(), curves: new Curves(), log: new Log() })) {
      this[name].element.replaceWith(made.element);
      this[name] = made;
    }
  }

  show() {
    const { job, buttons } = this;
    if (!job) return;
    const done = ended(job);
    const failed = job.status === "failed";
    this.element.dataset.state = job.status;
    this.element.toggleAttribute("data-stopping", !done && Boolean(job.cancel_requested_at));
    showText(this.kind, job.kind);
    showText(this.percent, showBar(this.bar, job));
    showText(this.status, job.status);
    showText(this.message, failed ? "" : messageOf(job));
    showText(this.error, failed ? messageOf(job) : "");
    buttons.cancel.hidden = done || Boolean(job.cancel_requested_at);
    buttons.retry.hidden = !failed && job.status !== "cancelled";
    buttons.again.hidden = buttons.purge.hidden = !done;
    this.showFiles(job);
    this.showJson("result", job.result);
    this.given ??= this.loadParams();
    this.tick();
    this.page.title();
  }

  showJson(name, value) {
    const text = value === null || value === undefined ? "" : JSON.stringify(value, null, 2);
    if (this[name].textContent !== text) this[name].textContent = text;
    this.parts[name].hidden = !text;
  }

  showFiles({ artifacts, result_url: url, status }) {
    const files = artifacts.length || !url || status !== "completed" ? artifacts : [{ url, name: "result.json" }];
    const key = JSON.stringify([status, files]);
    if (this.filesShown === key) return;
    this.filesShown = key;
    this.files.replaceChildren(...files.map((file, n) => artifact(file, n < OPENED)));
    this.parts.files.hidden = !files.length;
    showText(this.parts.files.firstChild, status === "completed" ? "Files" : "Files so far");
  }

  /** What changes as time goes by. */
  tick() {
    const { job } = this;
    if (!job) return;
    const running = job.status === "processing" && typeof job.eta_seconds === "number";
    showText(this.aside, running ? left(job.eta_seconds) : took(job));
    const facts = factsOf(job, this.worker).filter(([, value]) => value);
    const pair = ([name, value]) => [element("dt", {}, name), element("dd", { "data-name": name }, value)];
    settle(this.facts, element("dl", {}, ...facts.flatMap(pair)));
    this.timeline.show();
  }
}

const bySeq = (a, b) => a.seq - b.seq;
const link = (href, words) => element("a", { href }, words);
const found = (name, word) => `#/?${new URLSearchParams({ [name]: word })}`;
const several = (links) => links.length && element("span", { class: "tags" }, ...links);
const when = (at) => at && element("time", { datetime: at, title: moment(at) }, ago(at));

/** What is not so yet, or not at all, is empty. */
function factsOf(job, worker) {
  const { attempt, batch_id: batch, metadata = {} } = job;
  const words = Object.entries(metadata).map(([name, value]) => link(found("q", `${name}:${value}`), `${name}: ${value}`));
  return [
    ["Submitted", when(job.created_at)],
    ["Waited", job.started_at && attempt === 1 && duration(between(job.created_at, job.started_at))],
    ["Started", when(job.started_at)],
    ["Ended", when(job.finished_at)],
    ["Ran", took(job)],
    ["Attempt", attempt > 0 && `${attempt} of ${job.max_attempts}`],
    ["Worker", worker],
    ["Kind", link(found("kind", job.kind), job.kind)],
    ["Queue", link("#/queues", job.queue)],
    ["Priority", job.priority > 0 && String(job.priority)],
    ["Owner", job.owner],
    ["Batch", batch && link(`#/batches/${batch}`, batch.slice(0, 6))],
    ["Tags", several(job.tags.map((tag) => link(found("tag", tag), tag)))],
    ["Metadata", several(words)],
    ["Kept until", job.expires_at && moment(job.expires_at)],
  ];
}
