"""A playlist of the segments of a range, for players: extended M3U in UTF-8 (`.m3u8`), in one of two forms.

The plain one names files that a player plays one after the other, whatever they are stored as; it is what VLC
and mpv play. The other is that of HTTP Live Streaming (RFC 8216, a VOD playlist), for FLAC only: no player
takes WAV in it. Segments are whole: the first begins before the range and the last ends after it, as they
were cut. Pure: knows no store; URLs are made by what it is given.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from storage.layout import Layout, Pause
from storage.manifest import SegmentManifest
from storage.names import AudioFormat, SegmentName
from storage.report import iso, length, printable


class NotForStreaming(ValueError):
    """A range whose segments cannot be in a playlist of HLS."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A segment in a playlist.

    Attributes:
        pauses: what lies between the one before and this, and was not recorded.
        repeats: how many samples of its beginning the one before has already, as that of another recorder.
    """

    segment: SegmentManifest
    pauses: tuple[Pause, ...] = ()
    repeats: int = 0

    @property
    def continues(self) -> bool:
        """Whether it follows the one before to the sample."""
        return not self.pauses and not self.repeats


def entries(layout: Layout) -> tuple[Entry, ...]:
    """The segments of a layout, each once, and the silence before each, but not after the last."""
    found: list[Entry] = []
    pauses: list[Pause] = []
    seen: set[SegmentName] = set()
    for piece in layout.pieces:
        if isinstance(piece, Pause):
            pauses.append(piece)
            continue
        if piece.segment.name not in seen:
            seen.add(piece.segment.name)
            repeats = piece.start if found and not pauses else 0
            found.append(Entry(piece.segment, tuple(pauses), repeats))
        pauses = []
    return tuple(found)


def format_playlist(
    layout: Layout, link: Callable[[SegmentManifest], str], *, streaming: bool = False
) -> str:
    """The text of a playlist, with a URL by `link` for each segment; in the form of HLS if `streaming`.

    What was not recorded is a comment, with its reason, and in HLS a discontinuity: a player goes on with
    what comes next. In HLS the UTC of each first sample stands with it.

    Raises:
        NotForStreaming: `streaming`, and some of it is stored as WAV.
    """
    listed = entries(layout)
    if streaming:
        wav = next((e.segment for e in listed if e.segment.audio_format is not AudioFormat.FLAC), None)
        if wav is not None:
            raise NotForStreaming(
                f"{wav.audio.key} is stored as WAV, which HTTP Live Streaming does not have: make a plain"
                " playlist"
            )
    lines = _streaming(listed, link) if streaming else _plain(layout, listed, link)
    return "".join(f"{line}\n" for line in lines)


def _plain(
    layout: Layout, listed: tuple[Entry, ...], link: Callable[[SegmentManifest], str]
) -> Iterator[str]:
    yield "#EXTM3U"
    yield f"# from {iso(layout.started_at)} to {iso(layout.ended_at)}, in whole segments"
    for entry in listed:
        yield from _comments(entry)
        yield f"#EXTINF:{_seconds(entry.segment):.3f},{_title(entry.segment)}"
        yield link(entry.segment)


def _streaming(listed: tuple[Entry, ...], link: Callable[[SegmentManifest], str]) -> Iterator[str]:
    yield "#EXTM3U"
    yield "#EXT-X-VERSION:3"  # durations with fractions
    # RFC 8216: no duration, rounded, may be more.
    yield f"#EXT-X-TARGETDURATION:{max(math.ceil(_seconds(entry.segment)) for entry in listed)}"
    yield "#EXT-X-MEDIA-SEQUENCE:0"
    yield "#EXT-X-PLAYLIST-TYPE:VOD"
    for number, entry in enumerate(listed):
        yield from _comments(entry)
        if number and not entry.continues:
            yield "#EXT-X-DISCONTINUITY"
        yield f"#EXT-X-PROGRAM-DATE-TIME:{entry.segment.started_at:%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "Z"
        yield f"#EXTINF:{_seconds(entry.segment):.6f},{_title(entry.segment)}"
        yield link(entry.segment)
    yield "#EXT-X-ENDLIST"


def _comments(entry: Entry) -> Iterator[str]:
    for pause in entry.pauses:
        yield f"# {iso(pause.started_at)}: {length(pause.samples)} not recorded: {pause.reason}"
    if entry.repeats:
        yield f"# of another recorder: its first {length(entry.repeats)} are in the one before"


def _seconds(segment: SegmentManifest) -> float:
    return segment.samples / segment.sample_rate


def _title(segment: SegmentManifest) -> str:
    """For people: the name of the watch and the time. A comma would end the title in some players."""
    name = printable(segment.watch.name or str(segment.watch.watch_id)).replace(",", " ")
    return f"{name} {segment.started_at:%Y-%m-%d %H:%M:%S} UTC"
