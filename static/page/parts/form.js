/** The form: a kind, its params as fields, a button. No network: it is handed `upload` and `submit`. */

import { element, showText } from "../dom.js";
import { field } from "./field.js";
import { paramsOf } from "./schema.js";

export class JobForm {
  /**
   * @param {HTMLFormElement} form with a select of kinds, a submit button, `.params`, `.about` and `.refusal`
   * @param {{upload: import("./field.js").Upload, submit: (kind: string, params: object) => Promise<void>}} tools
   */
  constructor(form, { upload, submit }) {
    this.marks = form.dataset; // now: fields hide what a form has of their name
    this.about = form.querySelector(".about");
    this.params = form.querySelector(".params");
    this.refusal = form.querySelector(".refusal");
    this.select = form.querySelector("select");
    this.button = form.querySelector("button");
    this.upload = upload;
    this.submit = submit;
    this.kinds = [];
    this.fields = [];
    this.select.onchange = () => this.showKind();
    form.onsubmit = (event) => {
      event.preventDefault();
      this.send();
    };
  }

  get ready() {
    return this.marks.state === "ready";
  }

  /** What is being filled in stays as it is. @param {Kind[]} kinds */
  showKinds(kinds) {
    if (this.offered === JSON.stringify(kinds)) return;
    this.offered = JSON.stringify(kinds);
    const { value } = this.select;
    const schema = (all) => JSON.stringify(all.find(({ kind }) => kind === value)?.params_schema);
    const same = value && schema(kinds) === schema(this.kinds);
    this.kinds = kinds;
    this.select.replaceChildren(...kinds.map(({ kind }) => element("option", { value: kind }, kind)));
    if (same) {
      this.select.value = value;
      this.describe();
    } else this.showKind();
    this.marks.state = kinds.length ? "ready" : "empty";
    if (this.wanted) this.choose(...this.wanted);
  }

  /** Have a kind chosen and filled in, now or once it is known. @param {string} kind @param {object} params */
  choose(kind, params) {
    this.wanted = this.ready ? null : [kind, params];
    if (!this.kinds.some((known) => known.kind === kind)) return;
    this.select.value = kind;
    this.showKind();
    for (const made of this.fields) if (Object.hasOwn(params, made.param.name)) made.fill(params[made.param.name]);
  }

  get chosen() {
    return this.kinds[this.select.selectedIndex];
  }

  describe() {
    showText(this.about, firstParagraph(this.chosen?.description));
  }

  /** Build the fields of the chosen kind. */
  showKind() {
    const { chosen } = this;
    for (const gone of this.fields) gone.leave();
    this.fields = chosen ? paramsOf(chosen.params_schema).map((param) => field(param, this.upload)) : [];
    this.describe();
    this.params.replaceChildren(...this.fields.map((made) => made.element));
    this.complain([]);
  }

  /** Give a file to the chosen kind, or to the first that takes one, transcode before others. @returns {boolean} */
  takeFile(file) {
    const { chosen } = this;
    const ranked = [chosen, ...this.kinds.filter(({ kind }) => kind === "transcode"), ...this.kinds];
    const taker = ranked.find((kind) => kind && paramsOf(kind.params_schema).some(({ control }) => control === "file"));
    if (!taker) return false;
    if (taker !== chosen) {
      this.select.value = taker.kind;
      this.showKind();
    }
    this.fields.find(({ param }) => param.control === "file").take(file);
    return true;
  }

  async send() {
    if (this.button.disabled) return;
    const { value: kind } = this.select;
    this.complain([]);
    this.busy("Uploading …");
    try {
      const params = await this.read();
      this.busy("Starting …");
      await this.submit(kind, params);
    } catch (error) {
      if (error.code === "unknown_input") this.fields.forEach((made) => made.leave()); // expired: upload it anew
      this.complain(error.errors ?? [], error.message);
    } finally {
      this.busy("");
    }
  }

  /** The params as given; what is left empty is left out. */
  async read() {
    const fields = [...this.fields];
    const values = await Promise.all(fields.map((made) => made.read()));
    const given = fields.map(({ param }, n) => [param.name, values[n]]);
    return Object.fromEntries(given.filter(([, value]) => value !== undefined));
  }

  /** Each error at its field, by its JSON pointer; below the button the summary, unless the fields say it all. */
  complain(errors, summary = "") {
    let told = 0;
    for (const shown of this.fields) {
      const own = errors.filter(({ pointer = "" }) => pointer.split("/")[2] === shown.param.name);
      shown.complain(own.map(({ message }) => message).join(" "));
      told += own.length;
    }
    showText(this.refusal, told && told === errors.length ? "" : summary);
  }

  busy(words) {
    this.button.disabled = Boolean(words);
    this.button.textContent = words || "Start job";
  }
}

const firstParagraph = (text) => (text ?? "").split(/\n\s*\n/)[0].replaceAll("\n", " ");
