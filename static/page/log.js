/** A job's log: its last line at a glance, more when opened. No network: it is handed the function that loads. */

import { element } from "./dom.js";

const KEPT_LINES = 200;

export class Log {
  /** @param {() => Promise<import("../tidings.js").JobEvent[]>} load the retained events */
  constructor(load) {
    this.events = [];
    this.load = load;
    this.latest = element("span", { class: "latest" });
    this.lines = element("ol", { class: "lines", tabindex: "0", "aria-label": "Log lines" });
    this.element = element("details", { class: "log" }, element("summary", {}, "Log", this.latest), this.lines);
    this.element.ontoggle = () => this.element.open && this.complete();
  }

  /** @param {import("../tidings.js").JobEvent} event of type log */
  add(event) {
    if (event.seq <= (this.events.at(-1)?.seq ?? 0)) return;
    this.events.push(event);
    this.latest.textContent = event.data.line;
    if (!this.element.open) return;
    const atEnd = this.lines.scrollHeight - this.lines.scrollTop - this.lines.clientHeight < 8;
    this.lines.append(line(event));
    this.trim();
    if (atEnd) this.lines.scrollTop = this.lines.scrollHeight;
  }

  /** Fill in what was logged while nobody listened. */
  async complete() {
    this.element.dataset.state = "loading";
    try {
      const loaded = (await this.load()).filter(({ type }) => type === "log");
      const since = loaded.at(-1)?.seq ?? 0;
      this.events = [...loaded, ...this.events.filter(({ seq }) => seq > since)];
      this.element.dataset.state = this.events.length ? "" : "empty";
    } catch {
      this.element.dataset.state = "unreachable";
    }
    this.latest.textContent = this.events.at(-1)?.data.line ?? "";
    this.trim();
    this.lines.replaceChildren(...this.events.map(line));
    this.lines.scrollTop = this.lines.scrollHeight;
  }

  trim() {
    this.events = this.events.slice(-KEPT_LINES);
    while (this.lines.childElementCount > KEPT_LINES) this.lines.firstElementChild.remove();
  }
}

const line = ({ data }) => element("li", { "data-level": data.level }, data.line);
