"""How the platform writes its resources: today's JSON, and that of the servers before.

Pure. Empty texts and lists are left out, ids that are not set are all zeros, instants that are not set are
null, or a date far away on servers before February 2026.
"""

from datetime import datetime
from enum import Enum
from typing import Any

from recorder.simulator.resources import Call, Conference, Resource

CUSTOMER = "5e4a0680-804e-11ec-8477-2fea5968d85b"
"""The customer to whom everything here belongs. Made up."""

_NIL = "00000000-0000-0000-0000-000000000000"
_NEVER = "9999-01-01 00:00:00.000000"


class TimeStyle(Enum):
    """How an instant is written."""

    RFC3339 = "2026-11-22T15:05:00.123456Z, and null for never: since February 2026"
    SPACED = "2026-11-22 15:05:00.123456, and the year 9999 for never: before"

    def write(self, at: datetime | None) -> str | None:
        """One instant, or that it has not come."""
        if self is TimeStyle.SPACED:
            return f"{at:%Y-%m-%d %H:%M:%S.%f}" if at else _NEVER
        return f"{at:%Y-%m-%dT%H:%M:%S.%f}Z" if at else None


def as_json(resource: Resource, style: TimeStyle) -> dict[str, Any]:
    """The resource as GET gives it, and since July 2026 the event socket."""
    return _conference(resource, style) if isinstance(resource, Conference) else _call(resource, style)


def _conference(conference: Conference, style: TimeStyle) -> dict[str, Any]:
    texts = {"name": conference.name, "conferencecall_ids": list(conference.participants)}
    return {
        "id": conference.watch.id,
        "customer_id": CUSTOMER,
        "type": conference.type.value,
        "status": conference.status.value,
        **{key: value for key, value in texts.items() if value},
        "pre_flow_id": _NIL,
        "post_flow_id": _NIL,
        "recording_id": _NIL,
        "transcribe_id": _NIL,
        "tm_end": style.write(conference.ended_at),
        "tm_create": style.write(conference.created_at),
        "tm_update": style.write(conference.updated_at),
        "tm_delete": style.write(conference.deleted_at),
    }


def _call(call: Call, style: TimeStyle) -> dict[str, Any]:
    old = style is TimeStyle.SPACED
    instants = {
        "tm_hangup": call.ended_at,
        "tm_create": call.created_at,
        "tm_update": call.updated_at,
        "tm_delete": call.deleted_at,
    }
    return {
        "id": call.watch.id,
        "customer_id": CUSTOMER,
        "flow_id": _NIL,
        "activeflow_id": _NIL,
        "master_call_id": _NIL,
        "status": call.status.value,
        "direction": "incoming",
        **{key: style.write(at) for key, at in instants.items() if at is not None or old},
    }
