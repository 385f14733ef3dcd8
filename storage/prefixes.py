"""Which listings of one watch cover a range of time: few, and of little else. Pure."""

from calendar import monthrange
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

from storage.names import WatchId

_MOST_DAYS = 7
"""Of more days of a month, the whole month is listed: a page holds 1000 keys, which is less than two days of
segments of five minutes that never end."""

_MOST = 60
"""Beyond so many listings, one of everything takes fewer requests."""


def covering(watch: WatchId, start: datetime, end: datetime) -> list[str]:
    """Prefixes of keys that cover the UTC days from `start` to `end`: of years, months and days, in order."""
    first, last = start.astimezone(UTC).date(), end.astimezone(UTC).date()
    if last.year - first.year > _MOST:
        return [watch.prefix]
    prefixes = list(_covering(watch, first, last))
    return prefixes if len(prefixes) <= _MOST else [watch.prefix]


def _covering(watch: WatchId, day: date, last: date) -> Iterator[str]:
    while day <= last:
        end_of_year = date(day.year, 12, 31)
        end_of_month = _end_of_month(day)
        days = (min(last, end_of_month) - day).days + 1
        if (day.month, day.day) == (1, 1) and end_of_year <= last:
            yield f"{watch.prefix}{day:%Y}/"
            reached = end_of_year
        elif days > _MOST_DAYS:
            yield f"{watch.prefix}{day:%Y/%m}/"
            reached = end_of_month
        else:
            yield f"{watch.prefix}{day:%Y/%m/%d}/"
            reached = day
        if reached >= last:
            return
        day = reached + timedelta(days=1)


def _end_of_month(day: date) -> date:
    return day.replace(day=monthrange(day.year, day.month)[1])
