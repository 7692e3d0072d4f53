"""Logs are for us. One processor chain, and the redactor stands last in it."""

import logging
import sys
from typing import TextIO

import structlog

from pipeline.adapters.redact import hush, secrets


class _Hiding(logging.Formatter):
    """Libraries' own log lines, their tracebacks too, without the secrets we know."""

    def format(self, record: logging.LogRecord) -> str:
        return secrets.hide(super().format(record))


def set_up(level: str = "info", form: str = "console", into: TextIO | None = None) -> None:
    """Log to `into` (standard error by default); libraries that log addresses are kept to warnings."""
    out = into or sys.stderr
    renderer = (
        structlog.processors.JSONRenderer() if form == "json" else structlog.dev.ConsoleRenderer(colors=out.isatty())
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            secrets,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.WriteLoggerFactory(file=out),
        cache_logger_on_first_use=False,
    )
    theirs = logging.StreamHandler(out)
    theirs.setFormatter(_Hiding("%(name)s: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[theirs], force=True)
    hush()
