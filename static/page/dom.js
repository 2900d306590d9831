/** Elements, made of data without ever parsing it as HTML. Used by every component. */

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
  const made = document.createElement(tag);
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
