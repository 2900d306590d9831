/** One job on the page: its bar, its status in words, what can be done about it. No network. */

import { Curves } from "./curve.js";
import { element, showText } from "./dom.js";
import { ended } from "../tidings.js";
import { Log } from "./log.js";
import { ago, between, bytes, duration, left, moment, percent, until } from "./words.js";

/** @typedef {import("../tidings.js").Job} Job */

const LONGEST_SUMMARY = 160;

export class JobCard {
  /**
   * @param {Job} job
   * @param {{cancel: () => Promise<void>, loadLog: (events?: number) => Promise<object[]>}} tools
   */
  constructor(job, { cancel, loadLog }) {
    const id = `job-${job.job_id}`;
    this.time = element("time", { class: "time" });
    this.connection = element("span", { class: "connection" });
    this.bar = element("progress", { max: 100, "aria-labelledby": id });
    this.status = element("strong", { class: "status" });
    this.percent = element("span", { class: "percent" });
    this.message = element("span", { class: "message" });
    this.aside = element("span", { class: "aside" });
    this.error = element("pre", { class: "error" });
    this.downloads = element("p", { class: "downloads" });
    this.cancel = element("button", { class: "quiet", type: "button", "aria-describedby": id }, "Cancel");
    this.cancel.onclick = () => this.press(cancel);
    this.log = new Log(loadLog);
    this.curves = new Curves(loadLog);
    this.element = element(
      "li",
      { class: "job", "aria-labelledby": id },
      element("header", {}, heading(id, job), this.connection, this.time),
      this.bar,
      element("p", { class: "told" }, this.status, this.percent, this.message, this.aside),
      this.curves.element,
      this.error,
      element("footer", {}, this.log.element, this.downloads, this.cancel),
    );
    this.show(job);
  }

  /** @param {Job} job */
  show(job) {
    const done = ended(job);
    this.element.dataset.state = job.status;
    this.element.toggleAttribute("data-stopping", !done && Boolean(job.cancel_requested_at));
    this.time.dateTime = job.created_at;
    this.time.title = moment(job.created_at);
    showText(this.time, ago(job.created_at));
    this.showBar(job);
    showText(this.status, job.status);
    showText(this.message, messageOf(job));
    showText(this.aside, asideOf(job));
    showText(this.error, job.status === "failed" ? errorOf(job.error) : "");
    this.showDownloads(job);
    this.log.element.hidden = !job.attempt;
    if (done && job.attempt) this.curves.recall();
    this.cancel.hidden = done;
    this.cancel.disabled = Boolean(job.cancel_requested_at);
  }

  /** @param {Job} job */
  showBar({ status, progress }) {
    const value = status === "completed" ? 100 : (progress?.percent ?? 0);
    if (status === "processing" && !progress) this.bar.removeAttribute("value");
    else this.bar.value = value;
    showText(this.percent, status === "processing" && progress ? percent(value) : "");
  }

  /** @param {Job} job */
  showDownloads({ status, artifacts, result_url: url }) {
    const files = artifacts.length || !url ? artifacts : [{ url, name: "result.json" }];
    this.downloads.replaceChildren(...(status === "completed" ? files.map(download) : []));
  }

  /** @param {import("../tidings.js").JobEvent} event */
  hear(event) {
    if (event.type === "log") this.log.add(event);
    if (event.type === "metric") this.curves.add(event);
  }

  /** @param {import("../client/follow.js").Connection} connection */
  showConnection(connection) {
    this.element.dataset.connection = connection;
    showText(this.connection, connection);
  }

  async press(cancel) {
    this.cancel.disabled = true;
    try {
      await cancel();
    } catch (error) {
      this.cancel.disabled = false;
      showText(this.message, error.message);
    }
  }
}

function heading(id, { kind, job_id: jobId }) {
  return element("h3", { id }, kind, " ", element("code", { title: jobId }, jobId.slice(0, 6)));
}

/** Where it leads to another server `download` says nothing there. @param {{url: string, name: string, size?: number}} file */
function download({ url, name, size }) {
  const weight = size === undefined ? null : element("small", {}, ` ${bytes(size)}`);
  return element("a", { class: "download", href: `${url}?disposition=attachment`, download: name }, name, weight);
}

function messageOf(job) {
  if (job.status === "completed") return summaryOf(job.result);
  if (ended(job)) return "";
  if (job.cancel_requested_at) return "stopping …";
  if (job.waiting_for) return `waiting for ${job.waiting_for}`;
  if (job.status === "processing") return job.progress?.message ?? "";
  if (job.suspended_at) return "suspended";
  if (job.retry_at) return `again ${until(job.retry_at)}`;
  if (job.position) return job.position === 1 ? "1 job ahead" : `${job.position} jobs ahead`;
  return "waiting for a worker";
}

function asideOf({ status, attempt, max_attempts: most, eta_seconds: eta, started_at: from, finished_at: to }) {
  if (status === "processing" && typeof eta === "number") return left(eta);
  if (status === "completed" && from && to) return `took ${duration(between(from, to))}`;
  return attempt > 1 ? `attempt ${attempt} of ${most}` : "";
}

function errorOf(error) {
  return error ? `${error.code}: ${error.message}` : "";
}

/** A result at a glance: "rows 12 · format parquet". What does not fit one is for downloading. */
function summaryOf(result) {
  if (result === null || result === undefined) return "";
  const entries = typeof result === "object" && !Array.isArray(result) ? Object.entries(result) : [["", result]];
  const words = entries.map(([name, value]) => `${name.replaceAll("_", " ")} ${plain(value)}`.trim()).join(" · ");
  return words.length > LONGEST_SUMMARY ? "" : words;
}

const plain = (value) => (typeof value === "string" ? value : JSON.stringify(value));
