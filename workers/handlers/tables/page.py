"""A page that stands for itself: one HTML file without script or anything to load, in light and in dark."""

from collections.abc import Iterable, Sequence
from html import escape
from typing import Final

STYLE: Final = """
:root { color-scheme: light dark; --ink: #1d1d22; --soft: #63636e; --line: #e3e1dc; --paper: #f6f5f2; --card: #fff;
  --accent: #3b5bdb; --other: #c2570c; }
@media (prefers-color-scheme: dark) { :root { --ink: #ececf0; --soft: #a0a0ac; --line: #2e2e36; --paper: #131316;
  --card: #1c1c21; --accent: #8ba2ff; --other: #f0a36b; } }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.3rem; } p, figcaption { color: var(--soft); }
figure, .table { overflow: auto; margin: 1.5rem 0; padding: 1rem; border: 1px solid var(--line); border-radius: 12px;
  background: var(--card); }
pre { overflow: auto; max-height: 12rem; font: 13px/1.5 ui-monospace, monospace; white-space: pre-wrap; }
table { border-collapse: collapse; font-size: 14px; } th, td { padding: 4px 12px; border-bottom: 1px solid var(--line);
  text-align: left; white-space: nowrap; } th small { display: block; color: var(--soft); font-weight: 400; }
.number { text-align: right; font-variant-numeric: tabular-nums; } .null { color: var(--soft); }
svg { display: block; width: 100%; margin-top: .75rem; } svg text { fill: var(--soft); font-size: 12px;
  dominant-baseline: middle; } svg .label { text-anchor: end; } rect { fill: var(--accent); }
.grid { stroke: var(--line); } .mark { stroke: var(--soft); stroke-dasharray: 4; }
.line { fill: none; stroke-width: 2; } path.n0 { stroke: var(--accent); } path.n1 { stroke: var(--other); }
svg text.n0 { fill: var(--accent); } svg text.n1 { fill: var(--other); }
"""

NULL: Final = '<td class="null">–</td>'


def page(title: str, *parts: str) -> str:
    """The whole file; the parts are HTML."""
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{STYLE}</style></head>'
        f"<body><h1>{escape(title)}</h1>{''.join(parts)}</body></html>\n"
    )


def paragraph(text: str) -> str:
    """A sentence."""
    return f"<p>{escape(text)}</p>"


def table(columns: Sequence[tuple[str, str]], rows: Iterable[Sequence[str | None]], numeric: Sequence[bool]) -> str:
    """Columns are name and type; where they are `numeric` their values stand to the right."""
    heads = "".join(f"<th>{escape(name)}<small>{escape(type_)}</small></th>" for name, type_ in columns)
    lines = ("".join(map(_cell, row, numeric)) for row in rows)
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return f'<div class="table"><table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>'


def _cell(value: str | None, numeric: bool) -> str:
    if value is None:
        return NULL
    return f'<td class="number">{escape(value)}</td>' if numeric else f"<td>{escape(value)}</td>"
