/** The file input of a field, with its upload bar. No network: it is handed the function that uploads. */

import { element } from "./dom.js";
import { bytes, percent } from "./words.js";

const HINT = "or drop a file anywhere on this page";

/** The upload starts as soon as a file is chosen, and serves every job submitted with it. */
export class FileControl {
  constructor({ required }, marks, upload) {
    this.upload = upload;
    this.uploaded = null;
    this.aborter = new AbortController();
    this.control = element("input", { ...marks, type: "file", required });
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
    const [file] = this.control.files;
    const { signal } = (this.aborter = new AbortController());
    const show = (state, text) => signal.aborted || this.show(state, text);
    this.showSent(0, file.size);
    this.uploaded = this.upload(file, { onProgress: (sent, total) => this.showSent(sent, total), signal });
    this.uploaded.then(
      ({ size }) => show("uploaded", `uploaded, ${bytes(size)}`),
      (error) => show("refused", error.message),
    );
  }

  /** The input to name in params. A refused upload is tried anew. */
  async read() {
    if (!this.control.files.length) return undefined;
    if (!this.uploaded || this.below.dataset.state === "refused") this.begin();
    return (await this.uploaded).input;
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
