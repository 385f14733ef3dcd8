"""The event socket: what is announced, on which topics, to whom, and how badly it is delivered.

Pure but for the callbacks it is given. The platform publishes from detached goroutines: nothing here promises
an order, and a subscriber that was away has missed what there was.
"""

import json
import random
from collections.abc import Callable
from enum import Enum
from typing import Any, Final

from recorder.simulator.rendering import CUSTOMER

_KINDS: Final = ("conference", "call", "recording")
_TOPIC_PARTS: Final = (3, 5)


class PayloadStyle(Enum):
    """What an event looks like."""

    BARE = "the resource alone, on both styles of topic: since July 2026"
    WRAPPED = '{"type": "conference_updated", "data": {...}}, once: before'


class Delivery:
    """How badly events are delivered.

    Args:
        style: of the payload.
        loss: the share that never arrives.
        twice: the share that arrives once more, beside what comes twice by being published twice.
        delay: seconds that one is late, at most. Each has its own delay, which is how they change places.
        seed: makes it the same each time.
    """

    def __init__(
        self,
        style: PayloadStyle = PayloadStyle.BARE,
        *,
        loss: float = 0.0,
        twice: float = 0.0,
        delay: float = 0.0,
        seed: int = 0,
    ) -> None:
        self.style = style
        self.loss = loss
        self.twice = twice
        self.delay = delay
        self._chance = random.Random(seed)  # noqa: S311  nothing secret hangs on it

    def fate(self) -> list[float]:
        """Seconds until the next one is delivered, for each time that it is."""
        chance = self._chance.random
        if chance() < self.loss:
            return []
        return [chance() * self.delay for _ in range(1 + (chance() < self.twice))]


class Subscriber:
    """One connection's subscriptions.

    Args:
        deliver: takes a payload, and in how many seconds it is to be sent.
    """

    def __init__(self, deliver: Callable[[str, float], None]) -> None:
        self._deliver = deliver
        self.topics: set[str] = set()

    def command(self, text: str) -> bool:
        """Obey what the client sent; False if it is to be cut off for it."""
        try:
            order = json.loads(text)
            wanted, topics = order["type"], [str(topic) for topic in order.get("topics") or ()]
        except (ValueError, KeyError, TypeError, AttributeError):
            return True  # ignored, as the platform does
        if not all(map(_permitted, topics)):
            return False
        if wanted == "subscribe":
            self.topics.update(topics)
        elif wanted == "unsubscribe":
            self.topics.difference_update(topics)
        return True

    def publish(self, event: str, body: dict[str, Any], delivery: Delivery) -> None:
        """Send what is subscribed to: by prefix, once for each topic it is published on."""
        kind = event.split("_", 1)[0]
        topics = [f"customer_id:{CUSTOMER}:{kind}:{body['id']}"]
        payload = json.dumps({"type": event, "data": body})
        if delivery.style is PayloadStyle.BARE:
            topics.append(f"customer_id:{CUSTOMER}:{kind}:{event}:{body['id']}")
            payload = json.dumps(body)
        for topic in topics:
            if any(topic.startswith(wanted) for wanted in self.topics):
                for delay in delivery.fate():
                    self._deliver(payload, delay)


def _permitted(topic: str) -> bool:
    """Whether it is about what the customer may hear of."""
    parts = topic.split(":")
    return (
        _TOPIC_PARTS[0] <= len(parts) <= _TOPIC_PARTS[1]
        and parts[:2] == ["customer_id", CUSTOMER]
        and parts[2] in _KINDS
    )
