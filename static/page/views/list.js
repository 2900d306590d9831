/** The list of jobs: its filters stand in the URL; what is known is filtered here, and the server asked for more. */

import { action, element, say, showText } from "../dom.js";
import { Rows } from "../parts/rows.js";

const STATUSES = ["", "pending", "processing", "completed", "failed", "cancelled"];
const AT_ONCE = 6;
const MOST_AT_ONCE = 2_000;
const RETRY_MS = 3_000;
/** Asked for in a row, however little of them fits. */
const MOST_PAGES = 25;
const LONGEST_WORD = 64;
const TYPING_MS = 200;

/** What can be done to all that are listed, by status: words, tool, and what was done. */
const ALL = {
  pending: ["Cancel", "cancel", "Cancelled"],
  processing: ["Cancel", "cancel", "Cancelled"],
  failed: ["Retry", "retry", "Retried"],
  cancelled: ["Retry", "retry", "Retried"],
};

/** @typedef {{status?: string, kind?: string, tag?: string, owner?: string, q?: string, batch_id?: string}} Query */

export class ListView {
  /** @param {object} page see app.js @param {Query} query */
  constructor(page, query) {
    this.page = page;
    this.rows = new Rows(page.tools, () => this.more());
    this.tabs = STATUSES.map((status) => element("a", {}, status || "all", element("small", {})));
    this.kind = select("Kind", (kind) => this.go({ kind }));
    this.owner = select("Owner", (owner) => this.go({ owner }));
    this.search = element("input", {
      type: "search", id: "search", "aria-label": "Search jobs", spellcheck: "false",
      placeholder: "Id, word, #tag, customer:acme",
      oninput: () => this.later(),
      onkeydown: ({ key }) => void (key === "Enter" && this.open(this.search.value.trim())),
    });
    this.tag = element("a", { class: "chip", "aria-label": "Any tag" });
    this.all = element("span", { class: "all" });
    this.empty = element("div", { class: "empty" });
    this.end = element("p", { class: "end", role: "status" });
    this.further = action("Look further back", () => {
      this.pages = MOST_PAGES;
      this.more();
    });
    const tabs = element("nav", { class: "tabs", "aria-label": "Status" }, ...this.tabs);
    this.element = element(
      "section",
      { class: "list", "aria-label": "Jobs" },
      !query.batch_id && element("h1", { class: "heard" }, "Jobs"),
      element("div", { class: "filters" }, tabs, this.search, this.kind, this.owner, this.tag, this.all),
      this.rows.element,
      element("div", { class: "skeleton", "aria-hidden": "true" }),
      this.empty,
      this.end,
      this.further,
    );
    this.quit = page.jobs.watch(() => this.show());
    this.set(query);
  }

  leave() {
    clearTimeout(this.typing);
    this.asking = {};
    this.quit();
    this.rows.leave();
  }

  /** Now there is room for rows. */
  shown() {
    this.rows.show();
  }

  /** @param {Query} query */
  set(query) {
    const key = JSON.stringify(asked(query));
    this.query = query;
    this.fits = fitting(query);
    if (this.search !== document.activeElement) this.search.value = query.q ?? "";
    const listed = this.page.listed.get(key) ?? { cursor: undefined, oldest: "~" };
    if (this.key !== key) Object.assign(this, listed, { key, asking: null });
    this.pages = MOST_PAGES;
    this.rows.first = 0;
    if (this.element.isConnected) scrollTo(0, 0);
    this.showFilters();
    this.show();
    this.more();
  }

  /** Other filters, in the URL as well. */
  go(change) {
    const query = { ...this.query, ...change };
    history.replaceState(null, "", this.href(query));
    this.set(query);
  }

  /** Not for every letter. */
  later() {
    clearTimeout(this.typing);
    this.typing = setTimeout(() => this.go({ q: this.search.value }), TYPING_MS);
  }

  open(word) {
    if (/^[a-z2-7]{26}$/.test(word)) location.hash = `#/jobs/${word}`;
  }

  href({ batch_id: batch, ...query }) {
    const words = new URLSearchParams(Object.entries(query).filter(([, value]) => value));
    return `#/${batch ? `batches/${batch}` : ""}${words.size ? `?${words}` : ""}`;
  }

  /** One page after the other, as long as the end of what is known is in sight. */
  async more() {
    if (this.asking || this.cursor === null || !this.pages) return;
    this.pages -= 1;
    const mine = (this.asking = {});
    try {
      const page = await this.page.jobs.page(asked(this.query), this.cursor);
      if (this.asking !== mine) return;
      this.cursor = page.cursor;
      if (page.oldest || !page.cursor) this.oldest = page.cursor ? page.oldest : "";
      this.page.listed.set(this.key, { cursor: this.cursor, oldest: this.oldest });
    } catch (refusal) {
      if (refusal.status && this.asking === mine) say(refusal.message);
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
    if (this.asking !== mine) return;
    this.asking = null;
    this.show();
  }

  showFilters() {
    const { status = "", tag } = this.query;
    this.tabs.forEach((tab, n) => {
      tab.href = this.href({ ...this.query, status: STATUSES[n] });
      if (status === STATUSES[n]) tab.setAttribute("aria-current", "true");
      else tab.removeAttribute("aria-current");
    });
    showText(this.tag, tag ? `#${tag} ×` : "");
    this.tag.href = this.href({ ...this.query, tag: "" });
    const [words] = ALL[status] ?? [];
    this.all.replaceChildren(...(words ? [action(`${words} all`, () => this.forAll(), `${words} all of these?`)] : []));
  }

  /** What has changed, too. */
  show() {
    const { list } = this.page.jobs;
    const all = list.filter((job) => job.created_at >= this.oldest && this.fits(job));
    const { status, kind, owner } = this.query;
    const jobs = status ? all.filter((job) => job.status === status) : all;
    this.rows.set(jobs);
    this.count(all);
    offer(this.kind, "any kind", this.page.kinds.map((one) => one.kind), kind);
    offer(this.owner, "any owner", list.map((job) => job.owner), owner);
    this.owner.hidden = this.owner.options.length < 3;
    const loading = this.cursor !== null && this.pages > 0;
    this.further.hidden = this.pages > 0 || !this.cursor;
    this.element.dataset.state = jobs.length ? "filled" : loading ? "loading" : "empty";
    this.empty.replaceChildren(...(list.length || Object.keys(this.query).length ? NOTHING_FITS() : NOTHING_YET()));
    const count = `${jobs.length.toLocaleString("en")} ${jobs.length === 1 ? "job" : "jobs"}`;
    showText(this.end, jobs.length ? (loading ? "Loading older jobs …" : count) : "");
  }

  /** Of those that are known. */
  count(jobs) {
    const counts = { "": jobs.length };
    for (const { status } of jobs) counts[status] = (counts[status] ?? 0) + 1;
    this.tabs.forEach((tab, n) => {
      const count = counts[STATUSES[n]];
      showText(tab.lastChild, count ? `${count}${this.cursor ? "+" : ""}` : "");
    });
  }

  /** As the server lists them, also those that are not on this page. */
  async forAll() {
    const [, name, done] = ALL[this.query.status];
    const ids = [];
    let page = { cursor: null };
    do {
      page = await this.page.jobs.page(asked(this.query), page.cursor);
      ids.push(...page.jobs.filter(this.fits).map((job) => job.job_id));
    } while (page.cursor && ids.length < MOST_AT_ONCE);
    const total = ids.length;
    let refused = 0;
    const take = async () => {
      for (let id = ids.pop(); id; id = ids.pop()) await this.page.tools[name](id).catch(() => (refused += 1));
    };
    await Promise.all(Array.from({ length: AT_ONCE }, take));
    say(`${done} ${total - refused} of ${total}.`);
  }
}

/** What the server is asked for; it looks for the longest word, and for all of them we look here. @param {Query} query */
function asked({ status, kind, owner, batch_id, q = "", tag = tagsOf(q) }) {
  const words = q.split(/\s+/).filter((word) => !word.startsWith("#"));
  const metadata = words.find((word) => /^[^:]+:./.test(word));
  const [longest] = words.filter((word) => !word.includes(":")).sort((a, b) => b.length - a.length);
  const filters = { status, kind, owner, batch_id, tag, metadata, q: longest?.slice(0, LONGEST_WORD) };
  return Object.fromEntries(Object.entries(filters).filter(([, value]) => value));
}

const tagsOf = (q) => q.split(/\s+/).filter((word) => /^#./.test(word)).map((word) => word.slice(1)).join();

/** Whether a job fits, whatever its status. @param {Query} query */
function fitting({ kind, tag, owner, batch_id: batch, q = "" }) {
  const words = q.toLowerCase().split(/\s+/).filter((word) => word && word !== "#");
  return (job) =>
    (!kind || job.kind === kind) && (!tag || job.tags.includes(tag)) && (!owner || job.owner === owner) &&
    (!batch || job.batch_id === batch) && words.every((word) => found(job, word));
}

function found({ job_id: id, kind, error, tags, metadata }, word) {
  if (word.startsWith("#")) return tags.some((tag) => tag.toLowerCase() === word.slice(1));
  const said = Object.entries(metadata ?? {}).map(([name, value]) => `${name}:${value}`);
  const words = [kind, ...Object.values(error ?? {}).map(String), ...tags, ...said];
  return id.startsWith(word) || words.some((text) => text.toLowerCase().includes(word));
}

function select(label, take) {
  return element("select", { "aria-label": label, onchange: ({ target }) => take(target.value) });
}

/** What there is to choose from, made anew only when that has changed. */
function offer(made, any, values, chosen = "") {
  const all = [...new Set(chosen ? [...values, chosen] : values)].sort();
  const offered = JSON.stringify(all);
  if (made.dataset.offered !== offered) {
    made.replaceChildren(element("option", { value: "" }, any), ...all.map((value) => element("option", { value }, value)));
  }
  made.dataset.offered = offered;
  made.value = chosen;
}

const NOTHING_YET = () => [
  element("strong", {}, "Nothing has been submitted yet."),
  element("p", {}, "Start a job and watch it here, live."),
  element("p", {}, "You may close this page meanwhile: jobs run on, and it shows them when you come back."),
];

const NOTHING_FITS = () => [
  element("strong", {}, "No job fits."),
  element("p", {}, "Another status or fewer words may find it. ", element("a", { href: "#/" }, "Show all jobs")),
];
