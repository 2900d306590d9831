/** A job's `metric` events as curves, `train.l2` and `valid.l2` in one plot. No network: it is handed what loads. */

import { element } from "./dom.js";

const SVG = "http://www.w3.org/2000/svg";
const MOST = { plots: 6, lines: 3, points: 400 };
const LAST_EVENTS = 100;

export class Curves {
  /** @param {(events: number) => Promise<object[]>} load the latest events */
  constructor(load) {
    this.load = load;
    this.plots = new Map();
    this.waiting = null;
    this.recalled = false;
    this.element = element("div", { class: "curves", hidden: true });
  }

  add(event) {
    if (this.waiting) this.waiting.push(event);
    else if (this.element.hidden && event.data.step > 1) this.complete(event);
    else this.plot(event);
  }

  /** It has ended, and tells us nothing more: if it has measured anything, the end of its log shows that. Asked once. */
  async recall() {
    if (this.recalled || this.waiting || !this.element.hidden) return;
    this.recalled = true;
    const last = await this.load(LAST_EVENTS).catch(() => []);
    const event = last.findLast(({ type }) => type === "metric");
    if (event) await this.complete(event);
  }

  /** It was running before we looked: what it measured then comes first. */
  async complete(event) {
    this.waiting = [event];
    const past = await this.load(Infinity).catch(() => []);
    const known = past.filter(({ type }) => type === "metric");
    const since = known.at(-1)?.seq ?? 0;
    for (const each of [...known, ...this.waiting.filter(({ seq }) => seq > since)]) this.plot(each);
    this.waiting = null;
  }

  plot({ data: { name, step, value } }) {
    if (![step, value].every(Number.isFinite)) return;
    const metric = String(name).split(".").at(-1);
    const plot = this.plots.get(metric) ?? (this.plots.size < MOST.plots && this.place(metric));
    if (plot) plot.add(name, step, value);
  }

  place(metric) {
    const plot = new Plot();
    this.plots.set(metric, plot);
    this.element.append(plot.element);
    this.element.hidden = false;
    return plot;
  }
}

class Plot {
  constructor() {
    this.lines = new Map();
    this.frame = 0;
    this.svg = document.createElementNS(SVG, "svg");
    this.svg.setAttribute("viewBox", "0 0 100 100");
    this.svg.setAttribute("preserveAspectRatio", "none");
    this.svg.setAttribute("aria-hidden", "true");
    this.caption = element("figcaption", {});
    this.element = element("figure", {}, this.caption, this.svg);
  }

  add(name, step, value) {
    const points = this.lines.get(name)?.points ?? (this.lines.size < MOST.lines ? this.line(name) : []);
    while (points.at(-1)?.[0] >= step) points.pop(); // another attempt goes on from an earlier step
    points.push([step, value]);
    if (points.length > MOST.points) points.splice(0, points.length, ...points.filter((_, n) => n % 2 === 0));
    this.frame ||= requestAnimationFrame(() => this.show());
  }

  line(name) {
    const points = [];
    const path = this.svg.appendChild(document.createElementNS(SVG, "path"));
    this.lines.set(name, { points, path, label: this.caption.appendChild(element("span", {})) });
    return points;
  }

  show() {
    this.frame = 0;
    const all = [...this.lines.values()].flatMap(({ points }) => points);
    const [left, across] = range(all.map(([step]) => step));
    const [low, up] = range(all.map(([, value]) => value));
    const place = ([step, value]) => `${(100 * (step - left)) / across} ${97 - (94 * (value - low)) / up}`;
    for (const [name, { points, path, label }] of this.lines) {
      path.setAttribute("d", `M${points.map(place).join("L")}`);
      label.textContent = `${name} ${Number(points.at(-1)[1].toPrecision(4))}`;
    }
  }
}

/** The least, and how far it is from there to the most; never 0. */
function range(values) {
  const least = Math.min(...values);
  return [least, Math.max(...values) - least || 1];
}
