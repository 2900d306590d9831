/** A job's log: its tail as it grows, searched as one types. No network. */

import { element, showText } from "../dom.js";

const MOST_KEPT = 10_000;
const MOST_SHOWN = 1_000;
const AT_END_PX = 12;

export class Log {
  constructor() {
    this.events = [];
    this.words = "";
    const oninput = ({ target }) => this.find(target.value.trim().toLowerCase());
    const words = "Search the log";
    const search = element("input", { type: "search", placeholder: words, "aria-label": words, spellcheck: "false", oninput });
    this.count = element("span", { class: "count", role: "status" });
    this.lines = element("ol", { class: "lines", tabindex: "0", "aria-label": "Log lines" });
    this.element = element("div", { class: "log" }, element("p", { class: "filters" }, search, this.count), this.lines);
    this.fresh = [];
  }

  /** @param {JobEvent} event of type log */
  add(event) {
    this.events.push(event);
    if (this.events.length > MOST_KEPT) this.events.splice(0, MOST_KEPT / 10);
    if (this.fits(event)) this.fresh.push(event);
    this.frame ||= requestAnimationFrame(() => this.show());
  }

  fits({ data }) {
    return !this.words || `${data.level} ${data.line}`.toLowerCase().includes(this.words);
  }

  find(words) {
    this.words = words;
    this.fresh = this.events.filter((event) => this.fits(event));
    this.lines.replaceChildren();
    this.show();
  }

  /** Who has scrolled up is left alone; else the end stays in sight. */
  show() {
    this.frame = 0;
    const { lines } = this;
    const atEnd = lines.scrollHeight - lines.scrollTop - lines.clientHeight < AT_END_PX;
    lines.append(...this.fresh.slice(-MOST_SHOWN).map(line));
    this.fresh = [];
    while (lines.childElementCount > MOST_SHOWN) lines.firstElementChild.remove();
    if (atEnd) lines.scrollTop = lines.scrollHeight;
    const found = this.words ? this.events.filter((event) => this.fits(event)).length : this.events.length;
    showText(this.count, `${found.toLocaleString("en")} ${found === 1 ? "line" : "lines"}`);
  }
}

const line = ({ at, data }) =>
  element("li", { "data-level": data.level }, element("time", { datetime: at }, at.slice(11, 23)), String(data.line));
