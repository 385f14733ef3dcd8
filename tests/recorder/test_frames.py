"""Splitting messages off frames: whatever the cut of the reads, the same messages come out."""

import struct
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from recorder.core.packets import DiscardReason
from recorder.frames import MAX_MESSAGE, FrameSplitter

TEXT, BINARY, CLOSE, PING = 0x81, 0x82, 0x88, 0x89


def frame(opcode: int, payload: bytes, *, mask: bytes = b"") -> bytes:
    """A frame of RFC 6455 section 5.2, built apart from what reads it."""
    flag = 0x80 if mask else 0
    if len(payload) < 126:
        head = struct.pack("!BB", opcode, flag | len(payload))
    elif len(payload) < 1 << 16:
        head = struct.pack("!BBH", opcode, flag | 126, len(payload))
    else:
        head = struct.pack("!BBQ", opcode, flag | 127, len(payload))
    return head + mask + payload


def split(stream: bytes, cuts: list[int]) -> tuple[FrameSplitter, bytes]:
    splitter = FrameSplitter()
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    others = b"".join(part for begin, end in pairwise(edges) for part in splitter.split(stream[begin:end]))
    return splitter, others


def messages_of(splitter: FrameSplitter) -> list[bytes]:
    return [message.cut(0, message.size) for row in splitter.rows for message in row.each()]


cuts = st.lists(st.integers(0, 3000), max_size=20)


@given(st.lists(st.binary(max_size=400), max_size=12), cuts)
def test_messages_come_out_as_they_went_in_however_the_stream_is_cut(
    messages: list[bytes], cuts: list[int]
) -> None:
    splitter, others = split(b"".join(frame(BINARY, message) for message in messages), cuts)

    assert messages_of(splitter) == messages
    assert others == b""


@given(st.lists(st.binary(min_size=7, max_size=7), min_size=1, max_size=40), st.integers(0, 8))
def test_messages_of_one_length_come_as_one_row(messages: list[bytes], torn: int) -> None:
    stream = b"".join(frame(BINARY, message) for message in messages)

    splitter, _ = split(stream + frame(BINARY, b"another")[:torn], [])

    [row] = splitter.rows
    assert (row.many, row.size) == (len(messages), 7)
    assert row.cut(0, 7) == b"".join(messages)
    assert row.cut(2, 5) == b"".join(message[2:5] for message in messages)
    assert row.column(6) == bytes(message[6] for message in messages)


@given(
    st.lists(
        st.tuples(st.sampled_from([BINARY, TEXT, PING, CLOSE, 0x02, 0x00, 0xC2]), st.binary(max_size=200)),
        max_size=12,
    ),
    cuts,
)
def test_everything_else_is_handed_on_untouched_and_in_order(
    frames: list[tuple[int, bytes]], cuts: list[int]
) -> None:
    splitter, others = split(b"".join(frame(opcode, payload) for opcode, payload in frames), cuts)

    assert messages_of(splitter) == [payload for opcode, payload in frames if opcode == BINARY]
    assert splitter.discarded[DiscardReason.TEXT] == sum(opcode == TEXT for opcode, _ in frames)
    assert others == b"".join(frame(o, p) for o, p in frames if o not in (BINARY, TEXT))


@given(st.lists(st.binary(max_size=600), max_size=10))
def test_arbitrary_bytes_never_raise(reads: list[bytes]) -> None:
    splitter = FrameSplitter()
    for read in reads:
        assert all(isinstance(part, bytes) for part in splitter.split(read))


def test_a_masked_frame_is_for_the_library_which_refuses_it() -> None:
    masked = frame(BINARY, b"audio", mask=b"\1\2\3\4")

    splitter, others = split(masked + frame(BINARY, b"next"), [])

    assert others == masked
    assert messages_of(splitter) == [b"next"]


def test_a_message_of_64_megabytes_is_counted_and_never_gathered() -> None:
    splitter = FrameSplitter()
    block = bytes(1 << 20)
    for read in (
        struct.pack("!BBQ", BINARY, 127, 1 << 26),
        *[block] * (1 << 6),
        frame(BINARY, b"audio goes on"),
    ):
        assert list(splitter.split(read)) == []

    assert splitter.discarded == {DiscardReason.OVERSIZED: 1}
    assert messages_of(splitter) == [b"audio goes on"]


def test_the_longest_message_passes() -> None:
    message = bytes(MAX_MESSAGE)

    splitter, _ = split(frame(BINARY, message), [1, 5, 70_000])

    assert messages_of(splitter) == [message]
