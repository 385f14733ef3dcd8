"""Of all shards of a count, one holds a watch, on every machine and in every release."""

import uuid
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorder.shard import MOST_SHARDS, Shard
from storage.names import WatchId, WatchKind

watch_ids = st.builds(WatchId, st.sampled_from(WatchKind), st.uuids().filter(lambda each: each.int).map(str))
MANY = [
    WatchId(kind, str(uuid.UUID(int=number)))
    for kind, numbers in ((WatchKind.CONFERENCE, range(1, 8001)), (WatchKind.CALL, range(1, 2001)))
    for number in numbers
]


def holders(watch_id: WatchId, count: int) -> list[int]:
    return [number for number in range(1, count + 1) if Shard(number, count).holds(watch_id)]


@pytest.mark.parametrize(
    ("kind", "watch", "of_two_three_four_five_sixteen_and_all"),
    [
        (WatchKind.CONFERENCE, "1ed12456-eb4b-11ee-bba8-1bfb2838807a", [2, 3, 3, 3, 9, 112]),
        (WatchKind.CALL, "1ed12456-eb4b-11ee-bba8-1bfb2838807a", [1, 3, 3, 5, 6, 237]),
        (WatchKind.CALL, "652af662-eb45-11ee-b1a5-6fde165f9226", [2, 2, 2, 2, 11, 162]),
        (WatchKind.CONFERENCE, "00000000-0000-0000-0000-000000000001", [2, 3, 3, 3, 3, 208]),
        (WatchKind.CONFERENCE, "ffffffff-ffff-ffff-ffff-ffffffffffff", [2, 2, 4, 4, 15, 22]),
    ],
)
def test_a_watch_stays_where_it_has_always_been(
    kind: WatchKind, watch: str, of_two_three_four_five_sixteen_and_all: list[int]
) -> None:
    """From another implementation of the scheme. If this fails, mend the code: the vectors are for ever."""
    watch_id = WatchId(kind, watch)

    held_by = [holders(watch_id, count) for count in (2, 3, 4, 5, 16, MOST_SHARDS)]

    assert held_by == [[number] for number in of_two_three_four_five_sixteen_and_all]


@given(watch_ids, st.integers(1, 40))
def test_each_watch_is_in_one_shard(watch_id: WatchId, count: int) -> None:
    assert len(holders(watch_id, count)) == 1


@given(watch_ids, st.integers(1, 40))
def test_one_shard_more_takes_from_the_others_and_nothing_else_moves(watch_id: WatchId, count: int) -> None:
    (before,), (after,) = holders(watch_id, count), holders(watch_id, count + 1)

    assert after in (before, count + 1)


@pytest.mark.parametrize("count", [2, 3, 4, 8])
def test_shards_are_of_a_size(count: int) -> None:
    sizes = Counter(number for watch_id in MANY for number in holders(watch_id, count))

    fair = len(MANY) / count
    assert len(sizes) == count
    assert all(abs(size - fair) < 0.1 * fair for size in sizes.values()), sizes


@given(st.integers(1, MOST_SHARDS).flatmap(lambda n: st.tuples(st.integers(1, n), st.just(n))))
def test_what_is_written_reads_back(shard: tuple[int, int]) -> None:
    assert Shard.parse(str(Shard(*shard))) == Shard(*shard)


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("", 'write which of how many in quotes, such as "2/4"'),
        ("2", "such as"),
        ("2/4\n", "such as"),
        (" 2/4", "such as"),
        ("02/4", "such as"),
        ("-1/4", "such as"),
        ("2/4/8", "such as"),
        ("\N{ARABIC-INDIC DIGIT TWO}/4", "such as"),
        ("0/4", "such as"),
        ("1/0", "such as"),
        ("5/4", '"5/4" is none of the 4 shards; use 1/4 to 4/4'),
        ("1/257", "use 256 shards at most"),
    ],
)
def test_anything_else_is_refused(text: str, advice: str) -> None:
    with pytest.raises(ValueError, match="is ") as caught:
        Shard.parse(text)

    assert advice in str(caught.value)


@pytest.mark.parametrize(("number", "count"), [(0, 4), (5, 4), (-1, -1), (1, MOST_SHARDS + 1)])
def test_there_is_no_shard_beyond_the_count(number: int, count: int) -> None:
    with pytest.raises(ValueError, match="there is no shard"):
        Shard(number, count)
