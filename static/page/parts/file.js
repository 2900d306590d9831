/** The file input of a field, for one or several, with its upload bar. No network: it is handed the function that uploads. */

import { element } from "../dom.js";
import { bytes, percent } from "../words.js";

const HINT = "or drop a file anywhere on this page";

/** The upload starts as soon as a file is chosen, and serves every job submitted with it. */
export class FileControl {
  constructor({ required, control }, marks, upload) {
    this.multiple = control === "files";
    this.upload = upload;
    this.uploaded = null;
    this.aborter = new AbortController();
    this.control = element("input", { ...marks, type: "file", required, multiple: this.multiple });
    this.control.onchange = () => this.choose();
    this.bar = element("progress", { max: 1, value: 0, "aria-label": "Upload" });
    this.words = element("span", {}, HINT);
    this.below = element("p", { class: "upload", "data-state": "empty" }, this.words);
  }

  choose() {
    this.leave();
    if (this.control.files.length) this.begin();
    else this.show("empty", HINT);
  }

  begin() {
    const files = [...this.control.files];
    const names = namesOf(files);
    const sent = files.map(() => 0);
    const total = sum(files.map(({ size }) => size));
    const { signal } = (this.aborter = new AbortController());
    const show = (state, text) => signal.aborted || this.show(state, text);
    const send = async (file, n) => {
      const onProgress = (done) => {
        sent[n] = done;
        this.showSent(sum(sent), total);
      };
      return [names[n], (await this.upload(file, { onProgress, signal })).input];
    };
    this.showSent(0, total);
    this.uploaded = Promise.all(files.map(send));
    this.uploaded.then(
      () => show("uploaded", `uploaded${this.multiple ? ` as ${names.join(", ")}` : ""}, ${bytes(total)}`),
      (error) => show("refused", error.message),
    );
  }

  /** The input to name in params, or of several an object by name. A refused upload is tried anew. */
  async read() {
    if (!this.control.files.length) return this.given;
    if (!this.uploaded || this.below.dataset.state === "refused") this.begin();
    const named = await this.uploaded;
    return this.multiple ? Object.fromEntries(named) : named[0][1];
  }

  /** With what another job was given. */
  fill(input) {
    this.given = input;
    this.control.required = false;
    this.show("uploaded", `as before: ${typeof input === "string" ? input : Object.keys(input).join(", ")}`);
  }

  leave() {
    this.aborter.abort();
    this.uploaded = null;
  }

  /** @param {File} file */
  take(file) {
    const transfer = new DataTransfer();
    transfer.items.add(file);
    this.control.files = transfer.files;
    this.control.dispatchEvent(new Event("change", { bubbles: true }));
  }

  showSent(sent, total) {
    this.bar.value = total ? sent / total : 1;
    this.show("uploading", sent < total ? `${percent((100 * sent) / total)} of ${bytes(total)}` : "storing");
  }

  show(state, text) {
    this.below.dataset.state = state;
    this.words.textContent = text;
    if (state !== "uploading") this.bar.remove();
    else if (!this.bar.isConnected) this.below.prepend(this.bar);
  }
}

/** What a query calls them: "2026 sales.csv" → "_2026_sales", no two alike. */
function namesOf(files) {
  const names = [];
  for (const { name } of files) {
    const plain = name.replace(/\.[^]*/, "").replace(/\W+/g, "_").replace(/^(?=\d|$)/, "_").slice(0, 60);
    names.push(names.includes(plain) ? plain + names.length : plain);
  }
  return names;
}

const sum = (numbers) => numbers.reduce((a, b) => a + b, 0);
