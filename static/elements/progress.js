/**
 * `<tidings-progress job="…">`: a job's bar for any page. Attributes: `job`, `token`, `base`, `label`, and `cancel` for a
 * button. How it stands is its `data-state` and `data-connection`; it tells `tidings-event`, `tidings-end` and
 * `tidings-error`.
 */

import { changed, ended } from "../tidings.js";
import { Bar } from "./bar.js";
import { TidingsElement } from "./element.js";
import { part } from "./look.js";
import { troubleOf } from "./words.js";

class TidingsProgress extends TidingsElement {
  static observedAttributes = ["job", "token", "base", "label", "cancel"];

  /** As it was last seen. @type {?Job} */
  #job = null;
  bar = new Bar(() => this.tidings.cancel(this.getAttribute("job") ?? ""));
  heard = part("span", "heard");

  constructor() {
    super();
    this.heard.setAttribute("role", "status");
    this.shadow.append(this.bar.element, this.heard);
  }

  /** @override @param {AbortSignal} signal */
  async run(signal) {
    const id = this.getAttribute("job") ?? "";
    if (this.#job?.job_id !== id) this.#job = null;
    this.bar.cancellable = this.hasAttribute("cancel");
    this.bar.name(this.getAttribute("label") ?? "");
    if (this.#job) this.show(this.#job);
    else this.bar.wait();
    this.dataset.state = this.#job?.status ?? "loading";
    if (!id || (this.#job && ended(this.#job))) return;
    try {
      await this.follow(id, signal);
    } catch (error) {
      if (signal.aborted) return;
      this.dataset.state = "refused";
      this.bar.refuse(troubleOf(/** @type {any} */ (error)));
      this.tell("error", error);
    }
  }

  /** @param {string} id @param {AbortSignal} signal */
  async follow(id, signal) {
    const onConnection = (/** @type {string} */ state) => (this.dataset.connection = state);
    for await (const event of this.tidings.follow(this.#job ?? id, { signal, onConnection })) {
      this.show(changed(/** @type {Job} */ (this.#job), event));
      this.tell("event", event);
    }
    if (signal.aborted) return;
    delete this.dataset.connection;
    this.tell("end", this.#job);
  }

  /** @param {Job} job */
  show(job) {
    const label = this.getAttribute("label") ?? job.kind;
    if (this.#job && job.status !== this.#job.status) this.heard.textContent = `${label} ${job.status}`;
    this.#job = job;
    this.dataset.state = job.status;
    this.bar.show(job, label);
  }
}

customElements.define("tidings-progress", TidingsProgress);
