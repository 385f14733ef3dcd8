"""What the platform's REST API answers: pages of conferences, and single conferences and calls.

Pure: a path and headers in, JSON or a `Refusal` out.
"""

import json
from collections.abc import Mapping
from re import fullmatch
from typing import Final
from urllib.parse import parse_qs, urlsplit

from recorder.simulator.gate import Refusal, enter
from recorder.simulator.platform import Grant, Platform
from recorder.simulator.rendering import as_json
from recorder.simulator.resources import Conference, ConferenceType
from storage.names import WatchId, WatchKind

MOST_ON_A_PAGE: Final = 100
"""Conferences. Who asks for more, or for none, gets so many."""


def answer(platform: Platform, target: str, headers: Mapping[str, list[str]], now: float) -> bytes | Refusal:
    """Answer one GET; see `gate.admit` for the arguments."""
    url = urlsplit(target)
    query = parse_qs(url.query)
    if url.path == "/v1.0/conferences":
        grant = enter(platform, query, headers, now)
        return grant if isinstance(grant, Refusal) else _list(platform, query, grant)
    route = fullmatch(r"/v1\.0/(conferences|calls)/([^/]+)", url.path)
    if route is None:
        return Refusal(404, "ROUTE_NOT_FOUND")
    grant = enter(platform, query, headers, now)
    if isinstance(grant, Refusal):
        return grant
    kind = next(kind for kind in WatchKind if kind.folder == route[1])
    return _get(platform, kind, route[2], grant)


def _list(platform: Platform, query: Mapping[str, list[str]], grant: Grant) -> bytes | Refusal:
    """Newest first, strictly older than the token. The token is there whenever anything else is."""
    if grant is Grant.DIRECT:
        return Refusal(403, "DIRECT_ACCESS_NOT_SUPPORTED")
    if grant is Grant.WEAK:
        return Refusal(403, "PERMISSION_DENIED")
    size = _page_size(query.get("page_size", [""])[0])
    before = query.get("page_token", [""])[0]
    listed = [
        (platform.times.write(each.created_at) or "", each)
        for each in platform.resources
        if isinstance(each, Conference)
        and each.type is ConferenceType.CONFERENCE
        and each.deleted_at is None
        and each.watch not in platform.foreign
        and grant is Grant.LISTEN
    ]
    listed.sort(key=lambda row: row[0], reverse=True)
    page = [row for row in listed if not before or row[0] < before][:size]
    token = page[-1][0] if page else ""
    result = [as_json(each, platform.times) for _, each in page]
    return json.dumps({"result": result, "next_page_token": token}).encode()


def _page_size(text: str) -> int:
    size = int(text) if text.isdecimal() else 0
    return size if 0 < size <= MOST_ON_A_PAGE else MOST_ON_A_PAGE


def _get(platform: Platform, kind: WatchKind, identifier: str, grant: Grant) -> bytes | Refusal:
    try:
        watch = WatchId(kind, identifier)
    except ValueError:
        return Refusal(400, "INVALID_ID")
    resource = platform.resource(watch)
    if resource is None:
        return Refusal(404, f"{kind.name}_NOT_FOUND", watch=watch)
    if grant is not Grant.LISTEN or watch in platform.foreign:
        reason = "DIRECT_ACCESS_NOT_SUPPORTED" if grant is Grant.DIRECT else "PERMISSION_DENIED"
        return Refusal(403, reason, watch=watch)
    return json.dumps(as_json(resource, platform.times)).encode()
