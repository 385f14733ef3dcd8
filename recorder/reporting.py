"""Tells how the daemon stands, to whoever may want to know: log, service manager, local socket and HTTP.

Once a second and when it is asked. What fails here costs a line of the log and never a recording. The service
manager is told that all goes on only while it does: see `watchdog`.
"""

import math
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from http import HTTPStatus
from pathlib import Path
from typing import Final

import anyio
import structlog
from anyio.abc import SocketAttribute, SocketListener

from recorder import logs, metrics, notify
from recorder.answering import Reply, answer_http, answer_locally, local_listener
from recorder.clock import Clock
from recorder.lifecycle import Lifecycle, Phase
from recorder.listening import Address
from recorder.notify import Notifier
from recorder.offload import Offload
from recorder.overview import Overview
from recorder.survey import Surveyor

EACH: Final = 1.0
"""Seconds between two looks at the states."""
SURVEY_INTERVAL: Final = 5.0
"""Seconds between two looks into the spool."""
AGAIN: Final = 10.0
"""Seconds until a socket that could not be had is tried for again."""
REPEAT_INTERVAL: Final = 60.0
"""Seconds between two log lines that say the same."""
LONGEST_START: Final = 1800.0
"""Seconds for which the service manager is asked to be patient while the spool is put in order."""
_ASK_AHEAD: Final = 30.0
_TEXT: Final = "text/plain; charset=utf-8"

_log = structlog.stdlib.get_logger(__name__)


class Reporting:
    """Reports until cancelled."""

    def __init__(
        self,
        overview: Overview,
        surveyor: Surveyor,
        lifecycle: Lifecycle,
        notifier: Notifier,
        *,
        socket: Path,
        http: Address | None,
        clock: Clock,
        disk: Offload,
        aside: Offload,
    ) -> None:
        self._overview = overview
        self._surveyor = surveyor
        self._lifecycle = lifecycle
        self._notifier = notifier
        self._socket = socket
        self._http = http
        self._clock = clock
        self._disk = disk
        self._aside = aside
        self._began = clock.monotonic()
        self._repeats = logs.Repeats(REPEAT_INTERVAL)
        self._said = ""
        self._fed_at = -math.inf
        self._stuck: tuple[str, ...] = ()
        self._troubled = False

    async def run(self) -> None:
        """Report for ever. Ends only by cancellation."""
        async with anyio.create_task_group() as tasks:
            keep = self._again_and_again
            tasks.start_soon(keep, "looking at the states", EACH, self._each_second)
            tasks.start_soon(keep, "looking into the spool", SURVEY_INTERVAL, self._survey)
            tasks.start_soon(keep, "answering on the local socket", AGAIN, self._be_asked_locally)
            if self._http:
                tasks.start_soon(keep, "answering over HTTP", AGAIN, self._be_asked_over_http)

    async def _again_and_again(self, what: str, pause: float, do: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await do()
            except Exception as error:  # noqa: BLE001  whatever it is, recording must not end over it
                held_back = self._repeats.admit(what, self._clock.monotonic())
                if held_back is not None:
                    expected = isinstance(error, OSError)
                    _log.error(
                        f"{what} failed; it is tried again",
                        exc_info=not expected,
                        **{logs.ERROR: str(error), logs.SUPPRESSED: held_back},
                    )
            await anyio.sleep(pause)

    # Once a second

    async def _each_second(self) -> None:
        self._overview.look()
        self._say_standstills(self._overview.standstills())
        self._say_trouble(self._overview.trouble)
        self._tell_manager()

    def _say_standstills(self, stuck: tuple[str, ...]) -> None:
        if stuck and not self._stuck:
            _log.error(
                "something does not get on: the service manager is not told any more that all goes on",
                **{
                    logs.REASON: stuck[0],
                    logs.COUNT: len(stuck),
                    "remedy": "systemd restarts the daemon if it watches it (WatchdogSec); else restart it",
                },
            )
        elif self._stuck and not stuck:
            _log.warning("it gets on again", **{logs.REASON: self._stuck[0]})
        self._stuck = stuck

    def _say_trouble(self, trouble: str) -> None:
        """Once for all watches, and not again because one more is hit."""
        if trouble and not self._troubled:
            _log.error("no stream brings audio", **{logs.REASON: trouble})
        elif self._troubled and not trouble:
            _log.info("it is not so any more that no stream brings audio")
        self._troubled = bool(trouble)

    def _tell_manager(self) -> None:
        now = self._clock.monotonic()
        starting = self._lifecycle.phase is Phase.STARTING
        if starting and self._overview.supervisor is None and now - self._began < LONGEST_START:
            self._notifier.tell(notify.extend_timeout(_ASK_AHEAD))
        text = self._overview.headline
        if self._stuck:
            text = f"{text}; stuck: {self._stuck[0]}"
        if text != self._said and self._notifier.tell(notify.status(text)):
            self._said = text
        watchdog = self._notifier.watchdog
        if (
            watchdog
            and not self._stuck
            and now - self._fed_at >= watchdog / 4
            and self._notifier.tell(notify.WATCHDOG)
        ):
            self._fed_at = now

    async def _survey(self) -> None:
        self._overview.survey = await self._disk(self._surveyor.look)
        self._overview.surveyed_at = self._clock.monotonic()

    # When it is asked

    async def _be_asked_locally(self) -> None:
        with ExitStack() as stack:
            listening = await self._aside(stack.enter_context, local_listener(self._socket))
            await answer_locally(await SocketListener.from_socket(listening), self._status)

    async def _be_asked_over_http(self) -> None:
        assert self._http is not None  # noqa: S101  else nobody asks
        async with await anyio.create_tcp_listener(
            local_host=self._http.host, local_port=self._http.port
        ) as listener:
            port = listener.extra(SocketAttribute.local_port)  # noqa: S610  no database is near
            _log.info("metrics and health can be asked for", address=str(self._http._replace(port=port)))
            answers = {"/metrics": self._metrics, "/healthz": self._health, "/readyz": self._readiness}
            await answer_http(listener, answers)

    async def _status(self) -> bytes:
        status = await self._overview.status()
        text: str = await self._aside(status.model_dump_json)
        return text.encode()

    async def _metrics(self) -> Reply:
        status, totals = await self._overview.status(), self._overview.totals()
        body = await self._aside(metrics.exposition, status, totals)
        return Reply(HTTPStatus.OK, metrics.CONTENT_TYPE, body)

    async def _health(self) -> Reply:
        stuck = self._overview.standstills()
        status = HTTPStatus.SERVICE_UNAVAILABLE if stuck else HTTPStatus.OK
        return Reply(status, _TEXT, "".join(f"{each}\n" for each in stuck or ("ok",)).encode())

    async def _readiness(self) -> Reply:
        phase = self._lifecycle.phase
        status = HTTPStatus.OK if phase is Phase.READY else HTTPStatus.SERVICE_UNAVAILABLE
        text = self._overview.headline
        return Reply(status, _TEXT, f"{text}\n".encode())
