/** The page: wires the protocol to the components. Events come in, elements go out; nothing is kept twice. */

import { JobCard } from "./card.js";
import { showText } from "./dom.js";
import { acceptDrops } from "./drop.js";
import { JobForm } from "./form.js";
import { enter, entered, renew } from "../client/session.js";
import {
  cancel, changed, ended, follow, listJobs, listKinds, newKey, readJob, readLog, submit, upload,
} from "../tidings.js";
import { percent } from "./words.js";

const REFRESH_MS = 30_000;
const RETRY_MS = 5_000;
const MOST_CARDS = 50;
const LOG_EVENTS = 500;

const find = (selector) => document.querySelector(selector);
const board = find("#jobs");
const form = new JobForm(find("form"), { upload, submit: start });

/** By job id, oldest first: the job as last seen, its card, and what stops its following. */
const entries = new Map();

/** A submission that got no answer is sent again under its key, so that it cannot become two jobs. */
let unanswered = {};

async function start(kind, params) {
  const content = JSON.stringify([kind, params]);
  if (unanswered.content !== content) unanswered = { content, key: newKey() };
  see(await submit(kind, params, { key: unanswered.key }));
  unanswered = {};
}

/** Show a job as it stands now, unless more is known already; follow it while it runs. */
function see(job) {
  const entry = entries.get(job.job_id) ?? place(job);
  if (job.seq < entry.job.seq) return;
  if (job.status !== entry.job.status) announce(job);
  entry.job = job;
  entry.card.show(job);
  showTitle();
  if (!ended(job) && !entry.followed) watch(entry);
}

function place(job) {
  const { job_id: id } = job;
  const entry = { job, card: null, followed: null };
  const loadLog = (events = LOG_EVENTS) => readLog(id, Math.max(entry.job.seq - events, 0));
  entry.card = new JobCard(job, { cancel: async () => see(await cancel(id)), loadLog });
  entries.set(id, entry);
  board.prepend(entry.card.element);
  board.dataset.state = "filled";
  forgetOldest();
  return entry;
}

function forgetOldest() {
  for (const [id, { job, card }] of entries) {
    if (entries.size <= MOST_CARDS) return;
    if (!ended(job)) continue;
    card.element.remove();
    entries.delete(id);
  }
}

async function watch(entry) {
  entry.followed = new AbortController();
  const { signal } = entry.followed;
  const onConnection = (state) => entry.card.showConnection(state);
  try {
    for await (const event of follow(entry.job, { signal, onConnection })) {
      entry.card.hear(event);
      see(changed(entry.job, event));
    }
    if (!signal.aborted) see((await readJob(entry.job.job_id)).job); // its end alone does not tell its files
  } catch {
    entry.card.showConnection("gone");
  }
  entry.followed = null;
}

/** Bring in the jobs submitted elsewhere, and whatever a broken stream kept from us. */
async function refresh() {
  let again = REFRESH_MS;
  try {
    const { jobs } = await listJobs({ limit: 20 });
    for (const job of jobs.toReversed()) if (!entries.has(job.job_id)) place(job);
    for (const job of jobs) {
      if (ended(job)) entries.get(job.job_id).followed?.abort();
      see(job);
    }
    if (!entries.size) board.dataset.state = "empty";
    if (!form.ready) form.showKinds(await listKinds());
    if (!form.ready) again = RETRY_MS;
    showText(find("#outage"), "");
    askForKey(false);
  } catch (error) {
    again = RETRY_MS;
    askForKey(error.status === 401);
    showText(find("#outage"), error.status === 401 ? "" : `${error.message} Trying again.`);
  }
  return again;
}

/** The field for a key is there only while the service wants one. */
function askForKey(wanted) {
  find("#entry").hidden = !wanted;
}

async function takeKey() {
  const field = find("#key");
  if (!field.value.trim()) return;
  const problem = await enter(field.value.trim());
  showText(find("#entry .refusal"), problem);
  if (problem) return;
  field.value = "";
  await refresh();
}

/** One refresh after the other while the page is looked at. */
async function keepFresh() {
  for (;;) {
    const again = await refresh();
    await new Promise((resolve) => setTimeout(resolve, again));
    while (document.hidden) await new Promise((resolve) => (document.onvisibilitychange = resolve));
  }
}

/** For those who hear the page instead of seeing it. */
function announce({ kind, job_id: id, status }) {
  find("#announcer").textContent = `${kind} ${id.slice(0, 6)} ${status}`;
}

/** The newest running job, to be seen from another tab. */
function showTitle() {
  const running = [...entries.values()].findLast(({ job }) => job.status === "processing" && job.progress);
  document.title = running ? `${percent(running.job.progress.percent)} · ${running.job.kind} · Tidings` : "Tidings";
}

acceptDrops(find("#veil"), (file) => {
  if (!form.takeFile(file)) showText(find(".submission .refusal"), "No kind here takes a file.");
});
find("#entry button").addEventListener("click", takeKey);
find("#key").addEventListener("keydown", ({ key }) => key === "Enter" && takeKey());
if (entered()) renew();
keepFresh();
