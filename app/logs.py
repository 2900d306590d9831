"""How every process of ours logs: one form for structlog's lines and those of uvicorn, arq and redis, to stderr.

Called by `app/cli` before a server starts. A terminal gets coloured `key=value` lines, anything else JSON lines.
"""

import logging
import re
import sys
from typing import Any, Final

import structlog
from structlog.dev import ConsoleRenderer, plain_traceback
from structlog.processors import JSONRenderer, TimeStamper, format_exc_info
from structlog.stdlib import ProcessorFormatter
from structlog.typing import Processor, WrappedLogger

QUIET: Final = ("uvicorn", "uvicorn.access", "arq", "redis", "asyncio", "websockets", "httpx", "httpcore")
"""Heard from their warnings on. That leaves out uvicorn's access log and arq's two lines per job."""

_SECRET = re.compile(
    r"(?<=access_token=)[^&\s\"'\\]+"  # in a URL, since a browser's EventSource cannot send headers
    r"|(?<=/api/callbacks/)[^/?#\s\"'\\]+"  # whoever has it may answer
    r"|(?<=://)[^/@\s\"'\\]+(?=@)"  # user and password of a Redis or proxy URL
    r"|(?<=\bBearer )[^\s\"'\\,]+"
    r"|\b(?:tdg|tdt|whsec)_[\w+/=.-]{16,}"  # keys, tokens of browsers, secrets of webhooks
)


def configure(level: str) -> None:
    """Log from `level` (debug, info, warning or error) on. Raises ValueError for any other word."""
    threshold = _threshold(level)
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_formatter(shared, on_terminal=sys.stderr.isatty()))
    logging.basicConfig(level=threshold, handlers=[handler], force=True)
    for name in QUIET:
        logging.getLogger(name).setLevel(max(threshold, logging.WARNING))


def _threshold(level: str) -> int:
    levels = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
    if level.lower() not in levels:
        raise ValueError(f"log level {level!r} is none of {', '.join(levels)}")
    return levels[level.lower()]


def _formatter(shared: list[Processor], *, on_terminal: bool) -> ProcessorFormatter:
    # Not rich's tracebacks: they show the values of local variables.
    rendering: list[Processor] = (
        [ConsoleRenderer(exception_formatter=plain_traceback, repr_native_str=True)]
        if on_terminal
        else [format_exc_info, JSONRenderer(ensure_ascii=False)]
    )
    return ProcessorFormatter(
        foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder()],
        processors=[ProcessorFormatter.remove_processors_meta, *rendering, _obscured],
    )


def without_secrets(text: str) -> str:
    """The same, where each secret that can be told by its looks or its place is three stars."""
    return _SECRET.sub("***", text)


def _obscured(_logger: WrappedLogger, _method: str, line: Any) -> str:
    """Comes after rendering, so that tracebacks and nested values are covered too."""
    return without_secrets(line)
