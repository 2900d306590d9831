/** A file of a job: to be saved, and where a browser can show it, seen. */

import { authorization } from "../../client/session.js";
import { element } from "../dom.js";
import { bytes } from "../words.js";

const MOST_TEXT_BYTES = 65_536;

/** By content type: what shows it. Of a page nothing is run: the server says so as well. */
const SHOWN = [
  [/^image\//, ({ url, name }) => element("img", { src: url, alt: name, loading: "lazy" })],
  [/^audio\//, ({ url }) => element("audio", { src: url, controls: true, preload: "metadata" })],
  [/^video\//, ({ url }) => element("video", { src: url, controls: true, preload: "metadata" })],
  [/^text\/html/, frame],
  [/^text\/|json|xml$|csv/, ({ url }) => text(url)],
];

/** @param {{name: string, size?: number, content_type?: string, url: string}} file */
export function artifact(file, open) {
  const { name, size, content_type: type = "", url } = file;
  const show = SHOWN.find(([types]) => types.test(type))?.[1];
  const weight = size === undefined ? null : element("small", {}, ` ${bytes(size)}`);
  const link = element("a", { class: "download", href: `${url}?disposition=attachment`, download: name }, name, weight);
  if (!show) return element("li", {}, link, element("small", {}, type));
  const details = element("details", { open }, element("summary", { "aria-label": `Preview ${name}` }, type));
  const fill = () => details.open && details.childElementCount === 1 && details.append(show(file));
  details.ontoggle = fill;
  fill();
  return element("li", {}, link, details);
}

function frame({ url, name }) {
  return element("iframe", { src: `${url}?disposition=frame`, title: name, sandbox: "", loading: "lazy" });
}

/** How a text begins. Where it lies in S3 the page may not read it. */
function text(url) {
  const shown = element("pre", { tabindex: "0" }, "…");
  const headers = { ...authorization(), Range: `bytes=0-${MOST_TEXT_BYTES - 1}` };
  fetch(url, { headers, redirect: "manual" })
    .then(async (answer) => (shown.textContent = answer.ok ? await answer.text() : "It cannot be shown here."))
    .catch(() => (shown.textContent = "It cannot be read right now."));
  return shown;
}
