"""What the platform says of the watches when it is asked, and whether it lets us listen to one of them.

A few requests and one stream, which is hung up as soon as it is known whether it brings audio: a conference
notices nothing.
"""

import time
from collections.abc import Iterator, Mapping
from typing import Final

import anyio

from recorder import diagnosis
from recorder.api import RestPlatform
from recorder.clock import Clock
from recorder.config import Settings
from recorder.connection import Connection, ConnectionLost, ConnectionRefused, Setback
from recorder.core.snapshot import Known, Snapshot, Unseen
from recorder.doctor.finding import Finding, failed, ok, skipped, warning
from recorder.platform import Platform, Unanswered
from recorder.rate import Rate
from recorder.watchlist import Watch, WatchList
from recorder.websocket import WebSocketConnector
from storage.names import WatchId, WatchKind

API, WATCHES, WATCH = "platform API", "watches", "one watch"

MOST: Final = 10
"""Watches that are asked for by themselves: those that the list of conferences does not have."""
NAMED: Final = 5
"""Watches that a line tells of by name."""
LISTEN: Final = 6.0
"""Seconds for the first audio of a stream in which people are. The platform takes one to set it up."""

_REMEDIES: Final[Mapping[Setback, str]] = {
    Setback.NOT_LIVE: "nothing, if nobody has joined it yet; else correct its id in the watch list",
    Setback.REFUSED: "renew the credential, or have its owner allow it to read conferences",
    Setback.THROTTLED: "lower voipbin.connect_rate, or stop what else uses this credential",
    Setback.TRANSIENT: "see that voipbin.url is that of the API, and ends in /v1.0",
}
_CORRECT_ID: Final = "correct its id in the watch list, unless it is yet to come"
_DENIED: Final = "PERMISSION_DENIED"


async def examine_watches(settings: Settings) -> list[Finding]:
    """Ask what is known of the watches, if the daemon would, and listen to one in which people are."""
    if settings.nothing_watched:
        return [warning(WATCH, settings.nothing_watched, "write into the watch list what is to be recorded")]
    inquiry, watches = _Inquiry(), tuple(settings.watches)
    if settings.voipbin.observe:
        platform = RestPlatform(
            settings.voipbin, settings.credential, rate=Rate(settings.connect_rate), clock=Clock()
        )
        try:
            watches = await inquiry.ask(platform, settings.watches)
        finally:
            await platform.close()
    else:
        inquiry.findings += [skipped(check, "voipbin.observe is false") for check in (API, WATCHES)]
    if not watches:
        return [*inquiry.findings, skipped(WATCH, "there is none at the moment")]
    which = next((watch for watch in watches if inquiry.people_in(watch.watch_id)), watches[0])
    return [*inquiry.findings, await _listen(settings, which, inquiry.people_in(which.watch_id))]


class _Inquiry:
    """What was asked, and found."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []
        self._known: dict[WatchId, Known] = {}

    def people_in(self, watch: WatchId) -> int:
        """How many are known to be there."""
        return _people(self._known.get(watch, Unseen.UNKNOWN))

    async def ask(self, platform: Platform, watches: WatchList) -> tuple[Watch, ...]:
        """Ask for the list of conferences, and for some that it does not have; return what is watched."""
        try:
            listed = {each.watch_id: each for each in await platform.conferences()}
        except Unanswered as unanswered:
            self.findings += [_no_list(unanswered), skipped(WATCHES, "the API gives no list of conferences")]
            return tuple(watches)
        self.findings.append(ok(API, f"it answers, and lists {_many(len(listed), 'conference')} of ours"))
        self._known |= listed
        found = (*watches, *_found(watches, listed))
        unlisted = [watch for watch in watches if watch.watch_id not in listed]
        for watch in unlisted[:MOST]:
            try:
                self._known[watch.watch_id] = await platform.get(watch.watch_id) or Unseen.ABSENT
            except Unanswered as unanswered:
                self.findings.append(_withheld(watch, unanswered))
        ours = next((each.customer for each in listed.values() if each.customer), "")
        self.findings += _odd(found, self._known, ours)
        self.findings.append(self._summary(found, len(unlisted[MOST:])))
        return found

    def _summary(self, watches: tuple[Watch, ...], unasked: int) -> Finding:
        found = [(watch, self._known.get(watch.watch_id)) for watch in watches]
        going_on = [
            (watch, known) for watch, known in found if isinstance(known, Snapshot) and not known.over
        ]
        words = [f"{_name(watch)}: {_state(known)}" for watch, known in going_on[:NAMED]]
        more = [f"and {len(going_on) - NAMED} more"] if len(going_on) > NAMED else []
        not_asked = [f"{unasked} were not asked for"] if unasked else []
        said = f"{len(going_on)} of {len(watches)} are there"
        return ok(WATCHES, "; ".join([said, *words, *more, *not_asked]))


def _found(watches: WatchList, listed: Mapping[WatchId, Snapshot]) -> Iterator[Watch]:
    """What the patterns name, and no entry does."""
    entries = {watch.watch_id for watch in watches}
    for conference in listed.values():
        pattern = next((each for each in watches.patterns if each.matches(conference)), None)
        if pattern and conference.watch_id not in entries and not conference.over:
            yield pattern.watch(conference)


def _odd(watches: tuple[Watch, ...], found: Mapping[WatchId, Known], ours: str) -> Iterator[Finding]:
    """What is not as one would expect of a watch."""
    for watch in watches:
        known, name = found.get(watch.watch_id), _name(watch)
        if known is Unseen.ABSENT:
            yield warning(WATCHES, f"{name}: the platform knows none of that id", _CORRECT_ID)
        elif isinstance(known, Snapshot) and known.over:
            remedy = "take it out of the watch list, unless its id is to come back"
            yield warning(WATCHES, f"{name}: it is over ({known.ending})", remedy)
        elif isinstance(known, Snapshot) and ours and known.customer not in ("", ours):
            said = f"{name}: it is of customer {known.customer}, and what is listed of {ours}"
            yield warning(WATCHES, said, "correct its id in the watch list, if that is not meant")
        elif isinstance(known, Snapshot) and known.occupied is None:
            said = f"{name}: whether anybody is there is said in a form that this release does not know"
            yield warning(WATCHES, said, "try a newer one; it is recorded as with observe = false")


def _no_list(unanswered: Unanswered) -> Finding:
    if unanswered.setback is not Setback.REFUSED:
        remedy = unanswered.remedy or "nothing, if it is back soon; meanwhile nobody says who is there"
        return warning(API, str(unanswered), remedy)
    remedy = diagnosis.TOO_WEAK if _DENIED in str(unanswered) else unanswered.remedy
    return failed(API, str(unanswered), remedy or _REMEDIES[Setback.REFUSED])


def _withheld(watch: Watch, unanswered: Unanswered) -> Finding:
    said = f"{_name(watch)}: {unanswered}"
    if unanswered.setback is not Setback.REFUSED:
        return warning(WATCHES, said, unanswered.remedy or "try again")
    if _DENIED in str(unanswered):
        remedy = "correct its id in the watch list, or use a credential of its customer"
        said = f"{said}: conferences of ours may be listed, so this one is another customer's"
        return failed(WATCHES, said, remedy)
    return failed(WATCHES, said, unanswered.remedy or _REMEDIES[Setback.REFUSED])


async def _listen(settings: Settings, watch: Watch, people: int) -> Finding:
    """Open the stream of a watch as the daemon does, and hear whether it brings audio if people are there."""
    connector = WebSocketConnector(settings.voipbin, settings.credential, Clock())
    try:
        connection = await connector.connect(watch)
    except ConnectionRefused as refused:
        tell = warning if refused.setback is Setback.NOT_LIVE else failed
        return tell(WATCH, f"{_name(watch)}: {refused}", refused.remedy or _REMEDIES[refused.setback])
    try:
        if people:
            return await _hear(connection, watch, people)
    finally:
        await connection.close()
    return ok(WATCH, f"{_name(watch)}: the platform lets us listen")


async def _hear(connection: Connection, watch: Watch, people: int) -> Finding:
    said, began = f"{_name(watch)}: {_many(people, 'participant')}", time.monotonic()
    try:
        with anyio.move_on_after(LISTEN):
            while True:
                batch = await connection.receive(LISTEN)
                if batch and batch.rows:
                    return ok(WATCH, f"{said}, and audio comes")
    except ConnectionLost as lost:
        after = f"{time.monotonic() - began:.1f} s"
        return failed(
            WATCH, f"{said}, and the stream ended after {after} without audio ({lost})", diagnosis.POD_IP
        )
    tell = failed if people > 1 else warning
    words = diagnosis.of_silence(people, 1, watch.encapsulation, heard=False)
    return tell(WATCH, f"{said}, and nothing came within {LISTEN:g} s", words.partition(": ")[2])


def _people(known: Known) -> int:
    if not isinstance(known, Snapshot) or known.over or not known.occupied:
        return 0
    return 2 if known.watch_id.kind is WatchKind.CALL else len(known.participants or ())


def _state(known: Snapshot) -> str:
    told = known.watch_id.kind is WatchKind.CONFERENCE and known.participants is not None
    people = f", {_many(_people(known), 'participant')}" if told else ""
    return f"{known.status or 'no status'}{people}"


def _name(watch: Watch) -> str:
    return f"{watch.watch_id} ({watch.name})" if watch.name else str(watch.watch_id)


def _many(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
