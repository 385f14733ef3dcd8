"""One rate for all: spaces out what many tasks would otherwise do at the same moment."""


class Rate:
    """Hands out moments, at least `1 / per_second` seconds apart, first come, first served.

    Without a burst: the platform counts all of a customer's requests, and some are not ours.
    """

    def __init__(self, per_second: float) -> None:
        self._interval = 1 / per_second
        self._next = 0.0

    def reserve(self, now: float) -> float:
        """The moment at which the caller may go ahead, monotonic seconds, `now` or later."""
        moment = max(now, self._next)
        self._next = moment + self._interval
        return moment
