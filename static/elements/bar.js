/** One job in an element: its label, its bar, and how it goes in words. No network. */

import { part } from "./look.js";
import { left, messageOf, percent } from "./words.js";

export class Bar {
  /** @param {() => Promise<unknown>} [cancel] what its button does, if it has one */
  constructor(cancel) {
    this.label = part("span", "label");
    this.percent = part("span", "percent");
    this.bar = part("div", "bar");
    this.track = part("div", "track", this.bar);
    this.message = part("span", "message");
    this.eta = part("span", "eta");
    this.button = part("button", "cancel", "Cancel");
    this.button.type = "button";
    this.button.hidden = true;
    this.button.onclick = () => this.#press(cancel);
    this.cancellable = false;
    this.element = part(
      "div", "job", part("div", "line head", this.label, this.percent), this.track,
      part("div", "line foot", this.message, this.eta, this.button),
    );
    this.track.setAttribute("role", "progressbar");
    this.track.setAttribute("aria-valuemin", "0");
    this.track.setAttribute("aria-valuemax", "100");
    this.wait();
  }

  /** Nothing is known yet. */
  wait() {
    this.#state("loading", null, "");
    this.message.textContent = "…";
  }

  /** @param {Job} job @param {string} label */
  show(job, label) {
    const { status, progress, eta_seconds: eta } = job;
    const running = status === "pending" || status === "processing";
    const value = status === "completed" ? 100 : (progress?.percent ?? (status === "processing" ? null : 0));
    this.name(label);
    this.#state(status, value, status === "processing" && value !== null ? percent(value) : status);
    this.message.textContent = messageOf(job);
    this.message.title = this.message.textContent;
    this.eta.textContent = status === "processing" && typeof eta === "number" ? left(eta) : "";
    this.button.hidden = !(this.cancellable && running);
    this.button.disabled = Boolean(job.cancel_requested_at);
  }

  /** There is nothing to show. @param {string} words */
  refuse(words) {
    this.#state("refused", 0, "");
    this.message.textContent = words;
    this.eta.textContent = "";
    this.button.hidden = true;
  }

  /** @param {string} label */
  name(label) {
    this.label.textContent = label;
    this.track.setAttribute("aria-label", label || "Progress");
    this.button.setAttribute("aria-label", `Cancel ${label}`);
  }

  /** @param {string} state @param {?number} value 0 to 100, or null: who knows @param {string} words */
  #state(state, value, words) {
    this.element.dataset.state = state;
    this.element.toggleAttribute("data-busy", value === null && state === "processing");
    this.bar.style.setProperty("--_percent", String(value ?? 0));
    if (value === null) this.track.removeAttribute("aria-valuenow");
    else this.track.setAttribute("aria-valuenow", String(Math.floor(value)));
    this.track.setAttribute("aria-valuetext", words || state);
    this.percent.textContent = words;
  }

  /** @param {(() => Promise<unknown>) | undefined} cancel */
  async #press(cancel) {
    this.button.disabled = true;
    try {
      await cancel?.();
    } catch (error) {
      this.button.disabled = false;
      this.message.textContent = String(/** @type {Error} */ (error).message);
    }
  }
}
