/**
 * How the elements look: in the page's own text and colours, light or dark as its `color-scheme` says. Themed by the
 * variables below and by `::part`. As a constructed sheet it needs no leave of the page's CSP.
 */

const CSS = `
:host {
  --_accent: var(--tidings-accent, light-dark(#3b5bdb, #8ba2ff));
  --_done: var(--tidings-done, light-dark(#18794e, #5fcf98));
  --_failed: var(--tidings-failed, light-dark(#c02d24, #ff8d83));
  --_soft: var(--tidings-soft, color-mix(in srgb, currentColor 75%, transparent));
  --_track: var(--tidings-track, color-mix(in srgb, currentColor 15%, transparent));
  --_colour: var(--_accent);
  display: block;
  min-width: 0;
  font: var(--tidings-font, inherit);
}
:host([hidden]) { display: none; }
.job { display: grid; grid-template-columns: minmax(0, 1fr); gap: 0.375em; }
.line { display: flex; gap: 0.75em; align-items: baseline; min-height: 1.5em; line-height: 1.5; }
.line > :first-child { flex: 1; min-width: 0; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.label { font-weight: 600; }
.percent, .eta { font-variant-numeric: tabular-nums; white-space: nowrap; }
.foot { min-height: 1.875em; color: var(--_soft); font-size: 0.875em; }
.track { height: var(--tidings-height, 0.5em); overflow: hidden; border-radius: var(--tidings-radius, 1em); background: var(--_track); }
.bar { height: 100%; border-radius: inherit; background: var(--_colour); transform-origin: left; transition: transform 0.3s linear; transform: translateX(calc(var(--_percent, 0) * 1% - 100%)); }
:dir(rtl) .bar { transform: translateX(calc(100% - var(--_percent, 0) * 1%)); }
[data-state="completed"] { --_colour: var(--_done); }
[data-state="failed"] { --_colour: var(--_failed); }
[data-state="cancelled"], [data-state="refused"] { --_colour: var(--_soft); }
[data-state="failed"] .message { display: -webkit-box; color: var(--_failed); white-space: normal; overflow-wrap: anywhere; -webkit-box-orient: vertical; -webkit-line-clamp: 3; }
.job[data-busy] .bar { width: 30%; transform: none; animation: busy 1.6s ease-in-out infinite alternate; }
@keyframes busy { to { transform: translateX(233%); } }
button { padding: 0.1em 0.7em; border: 1px solid currentColor; border-radius: 0.4em; background: none; color: inherit; font: inherit; cursor: pointer; }
button:focus-visible { outline: 2px solid var(--_accent); outline-offset: 2px; }
button:disabled { opacity: 0.6; cursor: default; }
[hidden] { display: none !important; }
.heard { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
ul { display: grid; grid-template-columns: minmax(0, 1fr); gap: 1em; margin: 0; padding: 0; list-style: none; }
.note { margin: 0; min-height: 4.25em; color: var(--_soft); }
@media (prefers-reduced-motion: reduce) {
  .bar { transition: none; }
  .job[data-busy] .bar { width: 100%; animation: none; opacity: 0.4; }
}
@media (forced-colors: active) {
  .track { border: 1px solid CanvasText; }
  .bar { background: Highlight; forced-color-adjust: none; }
}`;

const sheet = new CSSStyleSheet();
sheet.replaceSync(CSS);

/** A shadow that looks so. @param {HTMLElement} host */
export function shadowOf(host) {
  const shadow = host.attachShadow({ mode: "open" });
  shadow.adoptedStyleSheets = [sheet];
  return shadow;
}

/** @template {keyof HTMLElementTagNameMap} T @param {T} tag @param {string} name of its class and part
 * @param {...(Node | string)} children */
export function part(tag, name, ...children) {
  const made = document.createElement(tag);
  made.className = name;
  made.setAttribute("part", name);
  made.append(...children);
  return made;
}
