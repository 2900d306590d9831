/** Elements, made of data without ever parsing it as HTML. Used by every component. */

const SURE_MS = 4_000;

/**
 * An element with attributes, listeners (`onclick: f`) and children. Strings become text nodes; null, undefined and
 * false are left out, true is an empty attribute.
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, any>} [attributes]
 * @param {...(Node | string | null | false | undefined)} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function element(tag, attributes = {}, ...children) {
  return dress(document.createElement(tag), attributes, children);
}

/** The same of SVG. */
export function drawn(tag, attributes = {}, ...children) {
  return dress(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

function dress(made, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") made[name] = value;
    else if (value || value === 0 || value === "") made.setAttribute(name, value === true ? "" : value);
  }
  for (const child of children) if (child || child === "") made.append(child);
  return made;
}

/** Set an element's text and hide it while there is none. What did not change is not touched. */
export function showText(node, text) {
  if (node.textContent !== text) node.textContent = text;
  if (node.hidden !== !text) node.hidden = !text;
}

/**
 * A button that does one thing at a time and says what went wrong. With `sure` it asks first, in these words.
 * @param {string} words @param {() => Promise<void> | void} run @param {string} [sure]
 */
export function action(words, run, sure) {
  const button = element("button", { type: "button", class: "quiet" }, words);
  const show = (asking = false) => {
    button.textContent = asking ? sure : words;
    button.toggleAttribute("data-armed", asking);
  };
  let forget;
  button.onclick = async () => {
    clearTimeout(forget);
    const asking = Boolean(sure) && button.textContent !== sure;
    show(asking);
    if (asking) return void (forget = setTimeout(show, SURE_MS));
    button.disabled = true;
    await Promise.resolve().then(run).catch((error) => say(error.message));
    button.disabled = false;
  };
  return button;
}

/** A word to the user, for a while. */
export function say(text) {
  const said = document.querySelector("#said");
  showText(said, text);
  clearTimeout(say.forget);
  say.forget = setTimeout(() => showText(said, ""), 2 * SURE_MS);
}

/**
 * Have a node's children be as those of another, made anew. What is the same stays where it is, so that nobody loses the
 * focus, or a press that has begun.
 */
export function settle(shown, made) {
  const known = [...shown.childNodes];
  const children = [...made.childNodes].map((child) => {
    const n = known.findIndex((one) => isSame(one, child));
    if (n < 0) return child;
    const [kept] = known.splice(n, 1);
    settle(kept, child);
    return kept;
  });
  for (const gone of known) gone.remove();
  children.forEach((child, n) => child === shown.childNodes[n] || shown.insertBefore(child, shown.childNodes[n] ?? null));
}

/** Told by its attributes, or a text by its words; rows and buttons, which have none of their own, by theirs. */
const isSame = (one, other) =>
  one.cloneNode().isEqualNode(other.cloneNode()) && wordsOf(one) === wordsOf(other);

const wordsOf = (node) => (node.nodeName === "BUTTON" ? node : node.cells?.[0])?.textContent;

/** A part of a page under its heading. */
export function part(title, ...children) {
  return element("section", {}, element("h2", {}, title), ...children);
}

/** A table; the first cell of a row is its heading. @param {string[]} columns @param {(Node | string)[][]} rows */
export function table(columns, rows) {
  const head = columns.map((name) => element("th", { scope: "col" }, name));
  const under = (n, cell) => element("td", { "data-label": columns[n + 1] }, cell);
  const line = ([name, ...cells]) => [element("th", { scope: "row" }, name), ...cells.map((cell, n) => under(n, cell))];
  const body = rows.map((row) => element("tr", {}, ...line(row)));
  return element("table", {}, element("thead", {}, element("tr", {}, ...head)), element("tbody", {}, ...body));
}
