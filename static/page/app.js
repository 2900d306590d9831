/**
 * The dashboard: what the URL says is shown, what happens is heard over one connection and folded into one store, and
 * the views are told. Nothing is kept twice.
 */

import { Connection } from "./connection.js";
import { say, showText } from "./dom.js";
import { acceptDrops } from "./parts/drop.js";
import { JobForm } from "./parts/form.js";
import { Jobs } from "./jobs.js";
import { ListView } from "./views/list.js";
import { enter, entered, renew } from "../client/session.js";
import { cancel, listKinds, newKey, purge, request, retry, submit, upload } from "../tidings.js";

/** The list is there at once, the others when they are first looked at. */
const VIEWS = {
  "": () => ListView,
  new: () => ListView,
  jobs: async () => (await import("./views/job.js")).JobView,
  batches: async () => (await import("./views/batch.js")).BatchView,
  queues: async () => (await import("./views/queues.js")).QueuesView,
};
const KINDS_MS = 30_000;
const STATES = {
  connecting: "connecting", live: "live", streaming: "live", polling: "asking", offline: "offline", locked: "locked",
};

const AWAY = "The server cannot be reached. Trying again; what you see may be old.";

const find = (selector) => document.querySelector(selector);
const form = new JobForm(find("form"), { upload, submit: start });
const jobs = new Jobs();
const connection = new Connection({ hear, show: showState, ask });

/** A submission that got no answer is sent again under its key, so that it cannot become two jobs. */
let unanswered = {};
let view = {};
let hears = null;
let place = "";
/** How far each place was scrolled when it was left. */
const scrolled = new Map();

/** What views are given. */
const page = {
  jobs,
  kinds: [],
  /** How far the server has listed jobs, by filters. */
  listed: new Map(),
  tools: {
    cancel: async (id) => jobs.see(await cancel(id)),
    retry: async (id) => jobs.see(await retry(id)),
    purge: async (id) => jobs.forget((await purge(id)).job_id),
  },
  watch(id, tell = null) {
    hears = tell && { id, tell };
    connection.watch(id);
  },
  prefill: (kind, params) => form.choose(kind, params),
  title: () => (document.title = [view.title, "Tidings"].filter(Boolean).join(" · ")),
};

async function start(kind, params) {
  const content = JSON.stringify([kind, params]);
  if (unanswered.content !== content) unanswered = { content, key: newKey() };
  const job = await submit(kind, params, { key: unanswered.key });
  unanswered = {};
  jobs.see(job);
  mine.add(job.job_id);
  say(`Started ${kind} ${job.job_id.slice(0, 6)}.`);
  if (location.hash.startsWith("#/new")) location.hash = `#/jobs/${job.job_id}`;
}

/** Submitted here: who hears the page instead of seeing it is told what becomes of them. */
const mine = new Set();

function hear(event) {
  jobs.hear(event);
  if (event.job_id === hears?.id) hears.tell(event);
  if (mine.has(event.job_id) && ["processing", "completed", "failed", "cancelled"].includes(event.type)) {
    find("#announcer").textContent = `${jobs.known.get(event.job_id)?.kind} ${event.job_id.slice(0, 6)} ${event.type}`;
  }
}

/** Whatever a broken line, or none, has kept from us. */
async function ask() {
  await jobs.catchUp(true);
  if (!form.ready) await loadKinds();
  if (connection.state !== "live") await view.poll?.().catch(() => {});
}

async function loadKinds() {
  page.kinds = await listKinds();
  form.showKinds(page.kinds);
  jobs.tell();
}

function showState(state) {
  connection.state = state;
  document.body.dataset.connection = state;
  showText(find("#line"), STATES[state]);
  find("#entry").hidden = state !== "locked";
  showText(find("#outage"), state === "offline" ? AWAY : "");
}

/** `#/jobs/ID`, `#/?status=failed`: the room, what is in it, and how it is to be seen. */
async function route() {
  const { hash } = location;
  const [path, words = ""] = hash.slice(2).split("?");
  const [room, id = ""] = path.split("/");
  const query = Object.fromEntries(new URLSearchParams(words));
  const View = await (Object.hasOwn(VIEWS, room) ? VIEWS[room] : VIEWS[""])();
  if (location.hash !== hash) return;
  document.body.dataset.room = Object.hasOwn(VIEWS, room) ? room : "";
  if (room === "new" && query.kind) form.choose(query.kind, query);
  if (place !== `${View.name} ${id}`) {
    const first = !place;
    scrolled.set(place, scrollY);
    view.leave?.();
    place = `${View.name} ${id}`;
    view = new View(page, room === "new" ? {} : query, id);
    find("#view").replaceChildren(view.element);
    view.shown?.();
    scrollTo(0, scrolled.get(place) ?? 0);
    if (!first) find("#view").focus({ preventScroll: true }); // else who is there by keys would be nowhere
  } else if (room !== "new") view.set?.(query);
  showPlace(query.status === "failed" && !room ? "#/?status=failed" : `#/${room}`);
  if (room === "new") find("#kind").focus();
  page.title();
}

/** In the bar. */
function showPlace(hash) {
  for (const link of document.querySelectorAll(".bar nav a")) {
    if (link.hash === hash) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}

async function takeKey() {
  const field = find("#key");
  if (!field.value.trim()) return;
  const problem = await enter(field.value.trim());
  showText(find("#entry .refusal"), problem);
  if (problem) return;
  location.reload();
}

/** An operator sees everybody's jobs. */
async function oversee() {
  await request("/api/workers");
  jobs.whose = connection.whose = { owner: "*" };
  await renew("*");
}

/** Single keys, while nothing is being typed. */
const KEYS = {
  "/": () => find("#search")?.focus(),
  n: () => (location.hash = "#/new"),
  g: () => (location.hash = "#/"),
  q: () => (location.hash = "#/queues"),
  j: () => find(".rows a")?.focus(),
  Escape: () => (location.hash = "#/"),
};

function press(event) {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest("input, select, textarea")) return event.key === "Escape" && event.target.blur();
  if (!KEYS[event.key]) return;
  event.preventDefault();
  KEYS[event.key]();
}

acceptDrops(find("#veil"), (file) => {
  if (!form.takeFile(file)) return say("No kind here takes a file.");
  if (getComputedStyle(find(".submission")).display === "none") location.hash = "#/new";
});
find("#entry button").addEventListener("click", takeKey);
find("#key").addEventListener("keydown", ({ key }) => key === "Enter" && takeKey());
document.addEventListener("keydown", press);
const go = () => route().catch(() => say("This cannot be loaded right now."));
addEventListener("hashchange", go);
if (entered()) await oversee().catch(() => renew());
go();
loadKinds().catch(() => {});
setInterval(() => document.hidden || loadKinds().catch(() => {}), KINDS_MS);
connection.run();
