"""Log lines: JSON for programs, colours for people, never a credential.

Our own lines and those of the standard library's loggers (websockets, botocore, asyncio, warnings) take the
same chain, so that all of them have the same form and pass the same redaction. Knows no component.
"""

import contextlib
import logging
import os
import sys
import threading
from collections.abc import Hashable
from dataclasses import dataclass
from types import TracebackType
from typing import Final, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from recorder.redaction import Redaction

WATCH: Final = "watch"
"""`conference 1ed1...`: what is recorded."""
NAME: Final = "name"
"""What people call the watch."""
SEGMENT: Final = "segment"
"""The name of a segment without folder and suffix."""
KEY: Final = "key"
"""An object's key in the store."""
STORE: Final = "store"
"""The store's URL."""
FILE: Final = "file"
"""A local file."""
STATE: Final = "state"
"""What a component has become."""
REASON: Final = "reason"
"""Why, as one word of a documented set."""
ERROR: Final = "error"
"""What failed, in the words of what failed."""
ATTEMPT: Final = "attempt"
"""How often something was tried, from 1."""
DELAY: Final = "delay"
"""Seconds until the next attempt."""
SECONDS: Final = "seconds"
"""How long something took or lasted."""
SAMPLES: Final = "samples"
"""A length of audio in samples."""
COUNT: Final = "count"
"""How many."""
SUPPRESSED: Final = "suppressed"
"""How many lines like this one were held back since the last."""

OUR_LOGGERS: Final = ("recorder", "storage")
"""The packages whose loggers may speak below WARNING."""

_MOST_KINDS = 4096
"""Of repeated lines that are remembered; a bound for memory, far above what a daemon says."""

_CONTEXT: Final[list[Processor]] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.PositionalArgumentsFormatter(),
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]
"""What every line is given, whoever wrote it."""

_FIRST: Final = ("timestamp", "level", "logger", "event")
"""The keys that a JSON line begins with, so that people can read it as well."""


@dataclass(slots=True)
class _Held:
    passed_at: float
    held_back: int = 0


class Repeats:
    """Thins out lines that repeat: the first of a kind passes, then at most one per interval.

    `interval` is in seconds, as is the monotonic time that is passed in.
    """

    def __init__(self, interval: float) -> None:
        self._interval = interval
        self._kinds: dict[Hashable, _Held] = {}

    def admit(self, kind: Hashable, now: float) -> int | None:
        """How many lines of this kind were held back before one that may pass now; None if it may not."""
        held = self._kinds.get(kind)
        if held is not None and now - held.passed_at < self._interval:
            held.held_back += 1
            return None
        self._kinds.pop(kind, None)
        if len(self._kinds) >= _MOST_KINDS:
            self._kinds.pop(next(iter(self._kinds)))  # the one that passed longest ago
        self._kinds[kind] = _Held(now)
        return held.held_back if held else 0


def redact_event(redaction: Redaction) -> Processor:
    """The step of the chain after which no credential is left: in the event, its values and its traceback."""

    def redact(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        redacted = redaction.value(event, depth=8)
        return redacted if isinstance(redacted, dict) else {}

    return redact


def log_formatter(redaction: Redaction, *, human: bool, colours: bool = False) -> logging.Formatter:
    """The chain as a formatter of the standard library: one JSON object a line, or a line for people."""
    # Tracebacks become text before the redaction: a renderer that formats them itself would come after it.
    last: list[Processor] = [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        structlog.processors.format_exc_info,
        redact_event(redaction),
    ]
    if human:
        last.append(
            structlog.dev.ConsoleRenderer(
                colors=colours, exception_formatter=structlog.dev.plain_traceback, pad_event_to=32
            )
        )
    else:
        last += [_known_keys_first, structlog.processors.JSONRenderer(ensure_ascii=False)]
    return structlog.stdlib.ProcessorFormatter(foreign_pre_chain=_CONTEXT, processors=last)


class _RedactingHandler(logging.StreamHandler[TextIO]):
    """Writes lines; one that cannot be written is reported without its arguments, which may hold a secret."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the name is logging's
        place = f"{record.name} {record.pathname}:{record.lineno}"
        with contextlib.suppress(OSError, ValueError):
            self.stream.write(f"a log line could not be written: {place}: {type(sys.exception()).__name__}\n")


def configure_logging(
    redaction: Redaction, *, stream: TextIO | None = None, level: int = logging.INFO
) -> None:
    """Send every log line, warning and uncaught exception of this process to `stream` (default: stderr).

    A terminal gets lines for people, in colours unless `NO_COLOR` is set; anything else gets JSON. Our own
    loggers speak from `level` on, all others from WARNING on.
    """
    stream = sys.stderr if stream is None else stream
    human = stream.isatty()
    handler = _RedactingHandler(stream)
    handler.setFormatter(
        log_formatter(redaction, human=human, colours=human and not os.environ.get("NO_COLOR"))
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    for name in OUR_LOGGERS:
        logging.getLogger(name).setLevel(level)
    logging.captureWarnings(capture=True)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_CONTEXT,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    sys.excepthook = _log_uncaught
    threading.excepthook = _log_uncaught_in_thread


def _known_keys_first(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    return {key: event[key] for key in _FIRST if key in event} | dict(event)


def _log_uncaught(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    """An exception that ends the process is logged as well: Python's own print would not be redacted."""
    if issubclass(kind, KeyboardInterrupt):
        return
    logging.getLogger("recorder").critical(
        "ended by an error nobody expected", exc_info=(kind, error, traceback)
    )


def _log_uncaught_in_thread(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is not None:
        _log_uncaught(args.exc_type, args.exc_value, args.exc_traceback)
