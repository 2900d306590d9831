/** The list of jobs: its filters stand in the URL; what is known is filtered here, and the server asked for more. */

import { action, element, say, showText } from "../dom.js";
import { ended, request } from "../../tidings.js";
import { Rows } from "../parts/rows.js";

const STATUSES = ["", "pending", "processing", "completed", "failed", "cancelled"];
const AT_ONCE = 6;
const MOST_AT_ONCE = 2_000;
/** Asked for by one look at the end of the list, however little of them fits. */
const MOST_PAGES = 25;

/** What can be done to all that are listed, by status. */
const ALL = { failed: ["Retry", "retry"], cancelled: ["Retry", "retry"], pending: ["Cancel", "cancel"], processing: ["Cancel", "cancel"] };

/** @typedef {{status?: string, kind?: string, tag?: string, owner?: string, q?: string, batch_id?: string}} Query */

export class ListView {
  /** @param {object} page see app.js @param {Query} query */
  constructor(page, query) {
    this.page = page;
    this.rows = new Rows(page.tools, () => this.more());
    this.tabs = STATUSES.map((status) => element("a", { "data-state": status }, status || "all", element("small", {})));
    this.kind = select("Kind", (kind) => this.go({ kind }));
    this.owner = select("Owner", (owner) => this.go({ owner }));
    this.search = element("input", { type: "search", id: "search", placeholder: "Id, word, #tag or customer:acme", "aria-label": "Search jobs", spellcheck: "false" });
    this.search.oninput = () => this.go({ q: this.search.value });
    this.search.onkeydown = ({ key }) => {
      const word = this.search.value.trim();
      if (key === "Enter" && /^[a-z2-7]{26}$/.test(word)) location.hash = `#/jobs/${word}`;
    };
    this.tag = element("a", { class: "chip", "aria-label": "Any tag" });
    this.all = element("span", { class: "all" });
    this.state = element("div", { class: "empty" });
    this.end = element("p", { class: "end", role: "status" });
    this.further = action("Look further back", () => {
      this.pages = MOST_PAGES;
      this.more();
    });
    this.element = element(
      "section",
      { class: "list", "aria-label": "Jobs" },
      element("div", { class: "filters" }, element("nav", { class: "tabs", "aria-label": "Status" }, ...this.tabs), this.search, this.kind, this.owner, this.tag, this.all),
      this.rows.element,
      element("div", { class: "skeleton", "aria-hidden": "true" }),
      this.state,
      this.end,
      this.further,
    );
    this.quit = page.jobs.watch((ids) => this.show(ids));
    this.set(query);
  }

  leave() {
    this.quit();
    this.rows.leave();
  }

  /** The page is empty until the first answer. */
  set(query) {
    const key = JSON.stringify(asked(query));
    this.query = query;
    this.fits = fitting(query);
    if (this.search !== document.activeElement) this.search.value = query.q ?? "";
    if (this.key !== key) Object.assign(this, { key, cursor: undefined, oldest: "~", asking: null });
    this.pages = MOST_PAGES;
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

  href({ batch_id: batch, ...query }) {
    const words = new URLSearchParams(Object.entries(query).filter(([, value]) => value));
    return `#/${batch ? `batches/${batch}` : ""}${words.size ? `?${words}` : ""}`;
  }

  /** One page after the other, as long as the end of what is known is in sight. */
  async more() {
    if (this.asking || this.cursor === null || !this.pages) return;
    const { key } = this;
    this.pages -= 1;
    const mine = (this.asking = {});
    try {
      const page = await this.page.jobs.page(asked(this.query), this.cursor);
      if (this.asking !== mine) return;
      this.cursor = page.cursor;
      if (page.oldest || !page.cursor) this.oldest = page.cursor ? page.oldest : "";
    } catch (refusal) {
      if (refusal.status && this.asking === mine) say(refusal.message);
      await new Promise((resolve) => setTimeout(resolve, 3_000));
    }
    if (this.key !== key || this.asking !== mine) return;
    this.asking = null;
    this.show();
  }

  showFilters() {
    this.tabs.forEach((tab, n) => {
      const current = (this.query.status ?? "") === STATUSES[n];
      tab.href = this.href({ ...this.query, status: STATUSES[n] });
      current ? tab.setAttribute("aria-current", "true") : tab.removeAttribute("aria-current");
    });
    showText(this.tag, this.query.tag ? `#${this.query.tag} ×` : "");
    this.tag.href = this.href({ ...this.query, tag: "" });
    const [words, name] = ALL[this.query.status] ?? [];
    this.all.replaceChildren(...(words ? [action(`${words} all`, () => this.forAll(name), `${words} all of these?`)] : []));
  }

  /** @param {Set<string>} [ids] what has changed */
  show() {
    const { list, known } = this.page.jobs;
    const all = list.filter((job) => this.fits.others(job) && job.created_at >= this.oldest);
    const jobs = this.query.status ? all.filter(({ status }) => status === this.query.status) : all;
    this.rows.set(jobs);
    this.count(all);
    offer(this.kind, "any kind", [...this.page.kinds.map(({ kind }) => kind)], this.query.kind);
    offer(this.owner, "any owner", [...new Set(list.map(({ owner }) => owner))], this.query.owner);
    this.owner.hidden = this.owner.options.length < 3;
    const loading = this.cursor !== null && this.pages > 0;
    this.further.hidden = this.pages > 0 || !this.cursor;
    this.element.dataset.state = jobs.length ? "filled" : loading ? "loading" : "empty";
    if (!jobs.length && !loading) this.state.replaceChildren(...(known.size || Object.keys(this.query).length ? NOTHING_FITS() : NOTHING_YET()));
    showText(this.end, !jobs.length ? "" : loading ? "Loading older jobs …" : `${jobs.length.toLocaleString("en")} ${jobs.length === 1 ? "job" : "jobs"}`);
  }

  /** Of those that are known. */
  count(jobs) {
    const counts = { "": jobs.length };
    for (const { status } of jobs) counts[status] = (counts[status] ?? 0) + 1;
    this.tabs.forEach((tab, n) => showText(tab.lastChild, counts[STATUSES[n]] ? `${counts[STATUSES[n]]}${this.cursor ? "+" : ""}` : ""));
  }

  /** As the server lists them, also those that are not on this page. */
  async forAll(name) {
    const ids = [];
    let cursor = null;
    do {
      const query = new URLSearchParams({ ...asked(this.query), limit: 200, ...(cursor && { cursor }) });
      const { body } = await request(`/api/jobs?${query}`);
      ids.push(...body.jobs.filter((job) => this.fits.others(job)).map(({ job_id: id }) => id));
      cursor = body.next_cursor;
    } while (cursor && ids.length < MOST_AT_ONCE);
    let refused = 0;
    const total = ids.length;
    const take = async () => {
      for (let id = ids.pop(); id; id = ids.pop()) await this.page.tools[name](id).catch(() => (refused += 1));
    };
    await Promise.all(Array.from({ length: AT_ONCE }, take));
    say(`${name === "retry" ? "Retried" : "Cancelled"} ${total - refused} of ${total}.`);
  }
}

/** What the server is asked for; the rest of the search is done here. */
function asked({ status, kind, tag, batch_id, q = "" }) {
  const filters = { status, kind, tag: tag || tagsOf(q), batch_id, metadata: /^[^:\s]+:\S+$/.test(q.trim()) ? q.trim() : "" };
  return Object.fromEntries(Object.entries(filters).filter(([, value]) => value));
}

const tagsOf = (q) => q.split(/\s+/).filter((word) => /^#./.test(word)).map((word) => word.slice(1)).join();

/** @param {Query} query */
function fitting({ kind, tag, owner, batch_id: batch, q = "" }) {
  const words = q.toLowerCase().split(/\s+/).filter((word) => word && word !== "#");
  const others = (job) =>
    (!kind || job.kind === kind) && (!tag || job.tags.includes(tag)) && (!owner || job.owner === owner) &&
    (!batch || job.batch_id === batch) && words.every((word) => found(job, word));
  return { others };
}

function found(job, word) {
  if (word.startsWith("#")) return job.tags.some((tag) => tag.toLowerCase() === word.slice(1));
  const said = Object.entries(job.metadata ?? {}).map(([name, value]) => `${name}:${value}`);
  return job.job_id.startsWith(word) || [job.kind, job.owner, job.error?.code ?? "", ...job.tags, ...said].some((text) => text.toLowerCase().includes(word));
}

function select(label, take) {
  const made = element("select", { "aria-label": label });
  made.onchange = () => take(made.value);
  return made;
}

/** What there is to choose from, made anew only when that has changed. */
function offer(made, any, values, chosen = "") {
  const all = [...new Set(chosen ? [...values, chosen] : values)].sort();
  if (made.dataset.offered !== JSON.stringify(all)) {
    made.replaceChildren(element("option", { value: "" }, any), ...all.map((value) => element("option", { value }, value)));
    made.dataset.offered = JSON.stringify(all);
  }
  made.value = chosen;
}

const NOTHING_YET = () => [
  element("strong", {}, "Nothing has been submitted yet."),
  element("p", {}, "Start a job and watch it here, live. You may close this page meanwhile: jobs run on, and it shows them when you come back."),
];

const NOTHING_FITS = () => [
  element("strong", {}, "No job fits."),
  element("p", {}, "Another status or fewer words may find it. ", element("a", { href: "#/" }, "Show all jobs")),
];
