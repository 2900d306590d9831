/** What happened to a job: each attempt as a bar on one axis of time, and its events below. No network. */

import { element, showText } from "../dom.js";
import { between, bytes, duration, moment, plain } from "../words.js";

const MOST_EVENTS = 200;
const MOST_CUTS = 100;
const CUTS = new Set(["pending", "processing", "waiting", "completed", "failed", "cancelled"]);

export class Timeline {
  constructor() {
    this.spans = element("ol", { class: "spans" });
    this.events = element("ol", { class: "events" });
    this.element = element("div", { class: "timeline" }, this.spans, this.events);
    this.cuts = [];
  }

  /** @param {JobEvent} event in their order */
  add(event) {
    if (CUTS.has(event.type)) this.cuts.push(event);
    this.cuts.splice(0, this.cuts.length - MOST_CUTS);
    if (!this.start) this.start = event.at;
    this.events.append(entry(event, this.start));
    if (this.events.childElementCount > MOST_EVENTS) this.events.firstElementChild.remove();
  }

  /** Also as time goes by. */
  show() {
    const spans = spansOf(this.cuts);
    if (!spans.length) return;
    const whole = Math.max(between(spans[0].from, spans.at(-1).to), 0.001);
    spans.forEach((span, n) => {
      const row = this.spans.children[n] ?? this.spans.appendChild(bar());
      const seconds = Math.max(between(span.from, span.to), 0);
      const [words, track, time] = row.children;
      row.dataset.state = span.state;
      showText(words, span.words);
      track.firstChild.style.left = `${(100 * between(spans[0].from, span.from)) / whole}%`;
      track.firstChild.style.width = `${(100 * seconds) / whole}%`;
      showText(time, duration(seconds));
    });
  }
}

const bar = () => element("li", {}, element("span"), element("span", { class: "track" }, element("i")), element("span"));

/** From each change of status to the next; the last one may last still. */
function spansOf(cuts) {
  return cuts.flatMap((cut, n) => {
    const next = cuts[n + 1];
    const { type, data, at: from } = cut;
    if (!["pending", "processing", "waiting"].includes(type)) return [];
    const words = { pending: "queued", waiting: `waiting for ${data.for}`, processing: `attempt ${data.attempt}` }[type];
    const outcome = next?.data.error ? "failed" : next?.type; // one that is to be tried again failed as well
    return [{ from, to: next?.at, words, state: (type === "processing" && outcome) || type }];
  });
}

function entry({ type, at, data }, start) {
  const time = element("time", { datetime: at, title: moment(at) }, `+${duration(Math.max(between(start, at), 0))}`);
  const name = element("b", {}, type.replaceAll("_", " "));
  return element("li", { "data-state": type }, time, name, " ", element("span", {}, wordsOf(type, data)));
}

function wordsOf(type, data) {
  if (type === "completed") return "";
  if (type === "artifact") return `${data.name} · ${bytes(data.size)}`;
  const { error, retry_at: _, ...rest } = data ?? {};
  const told = Object.entries(rest).map(([name, value]) => `${name.replaceAll("_", " ")} ${plain(value)}`);
  return [error && `${error.code}: ${error.message}`, ...told].filter(Boolean).join(" · ").slice(0, 500);
}
