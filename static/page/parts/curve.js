/** A job's `metric` events as curves, `train.l2` and `valid.l2` in one plot. No network. */

import { drawn, element } from "../dom.js";

const MOST = { plots: 12, lines: 4, points: 400 };
const LEVELS = [3, 50, 97];

export class Curves {
  constructor() {
    this.plots = new Map();
    this.element = element("div", { class: "curves" });
  }

  /** @param {JobEvent} event of type metric */
  add({ data: { name, step, value } }) {
    if (![step, value].every(Number.isFinite)) return;
    const metric = String(name).split(".").at(-1);
    const plot = this.plots.get(metric) ?? (this.plots.size < MOST.plots && this.place(metric));
    if (plot) plot.add(name, step, value);
  }

  place(metric) {
    const plot = new Plot(metric);
    this.plots.set(metric, plot);
    this.element.append(plot.element);
    return plot;
  }
}

class Plot {
  constructor(metric) {
    this.lines = new Map();
    this.frame = 0;
    const grid = LEVELS.map((y) => drawn("line", { x1: 0, x2: 100, y1: y, y2: y }));
    this.hair = drawn("line", { class: "hair", y1: 0, y2: 100, visibility: "hidden" });
    const stretched = { viewBox: "0 0 100 100", preserveAspectRatio: "none", "aria-hidden": "true" };
    this.svg = drawn("svg", stretched, ...grid, this.hair);
    this.svg.onpointermove = ({ offsetX }) => this.point(offsetX / this.svg.clientWidth);
    this.svg.onpointerleave = () => this.point(null);
    this.caption = element("figcaption", {}, element("b", {}, metric));
    this.axis = ["high", "low", "from", "to"].map((place) => element("small", { class: place }));
    this.element = element("figure", {}, this.caption, this.svg, ...this.axis);
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
    const path = this.svg.appendChild(drawn("path"));
    this.lines.set(name, { points, path, label: this.caption.appendChild(element("span", {})) });
    return points;
  }

  /** Read off the curves there, from 0 to 1; null reads their ends. */
  point(share) {
    this.share = share;
    this.frame ||= requestAnimationFrame(() => this.show());
  }

  show() {
    this.frame = 0;
    const all = [...this.lines.values()].flatMap(({ points }) => points);
    const [left, across] = range(all.map(([step]) => step));
    const [low, up] = range(all.map(([, value]) => value));
    const x = (step) => (100 * (step - left)) / across;
    const place = ([step, value]) => `${x(step)} ${97 - (94 * (value - low)) / up}`;
    const at = typeof this.share === "number" ? left + this.share * across : null;
    this.hair.setAttribute("visibility", at === null ? "hidden" : "visible");
    for (const [name, { points, path, label }] of this.lines) {
      path.setAttribute("d", `M${points.map(place).join("L")}`);
      const shown = (at !== null && points.findLast(([step]) => step <= at)) || points.at(-1);
      if (at !== null) for (const end of ["x1", "x2"]) this.hair.setAttribute(end, x(shown[0]));
      label.textContent = `${name} ${short(shown[1])}${at === null ? "" : ` at ${shown[0]}`}`;
    }
    const bounds = [brief(low + up), brief(low), short(left), short(left + across)];
    bounds.forEach((text, n) => (this.axis[n].textContent = text));
  }
}

const short = (value) => String(Number(value.toPrecision(4)));

/** In the little room beside a plot. */
const brief = (value) => (value !== 0 && Math.abs(value) < 0.001 ? value.toExponential(1) : short(value));

/** The least, and how far it is from there to the most; never 0. */
function range(values) {
  const least = Math.min(...values);
  return [least, Math.max(...values) - least || 1];
}
