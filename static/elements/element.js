/** What the elements have in common: whom they ask, and that they begin anew when an attribute changes that. */

import { Tidings, tidings } from "../tidings.js";
import { shadowOf } from "./look.js";

const MOST_SERVICES = 100;

/** Elements that show the same to the same share a connection. @type {Map<string | Token, Map<string, Tidings>>} */
const services = new Map();

/** @param {Token} token @param {string} base */
function serviceFor(token, base) {
  if (!token && !base) return tidings;
  const known = services.get(token) ?? new Map();
  services.delete(token);
  services.set(token, known);
  if (services.size > MOST_SERVICES) services.delete(/** @type {Token} */ (services.keys().next().value));
  if (!known.has(base)) known.set(base, new Tidings({ token, base: base || undefined }));
  return /** @type {Tidings} */ (known.get(base));
}

export class TidingsElement extends HTMLElement {
  /** @type {Token | undefined} */
  #token;
  /** @type {AbortController | undefined} */
  #going;
  #due = false;
  shadow = shadowOf(this);

  /** What is shown to the service: the attribute, or a function that gets a fresh one. @type {Token} */
  get token() {
    return this.#token ?? this.getAttribute("token") ?? "";
  }

  set token(token) {
    this.#token = token;
    this.begin();
  }

  get tidings() {
    return serviceFor(this.token, this.getAttribute("base") ?? "");
  }

  connectedCallback() {
    if (Object.hasOwn(this, "token")) this.#upgrade();
    this.begin();
  }

  disconnectedCallback() {
    this.#going?.abort();
  }

  attributeChangedCallback() {
    this.begin();
  }

  /** Go, from here on; several reasons at once are one. */
  begin() {
    if (this.#due) return;
    this.#due = true;
    queueMicrotask(() => {
      this.#due = false;
      this.#going?.abort();
      if (!this.isConnected) return;
      this.#going = new AbortController();
      this.run(this.#going.signal);
    });
  }

  /** What it shows, until the signal says that it is over. @param {AbortSignal} _signal @returns {Promise<void>} */
  async run(_signal) {}

  /** Tell the page. @param {string} name @param {unknown} detail */
  tell(name, detail) {
    this.dispatchEvent(new CustomEvent(`tidings-${name}`, { detail, bubbles: true, composed: true }));
  }

  /** A page had set it before the element was defined: it hides the accessor. */
  #upgrade() {
    const { token } = this;
    Reflect.deleteProperty(this, "token");
    this.#token = token;
  }
}
