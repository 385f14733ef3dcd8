"""Log lines have one form, tell repeats by their number, and never hold a credential."""

import itertools
import json
import logging
import os
import pty
import subprocess
import sys
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from recorder.logs import Repeats, log_formatter
from recorder.redaction import REDACTED, Redaction
from tests.recorder.configurations import ACCESSKEY, TOKEN

secrets = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=8)
NEAR_TEXT = st.text(st.sampled_from("ab =:/?&%'\"\\\n"))

SCRIPT = f"""
import logging, sys, threading, warnings
import structlog
from recorder.logs import configure_logging
from recorder.redaction import Redaction

SECRET = {TOKEN!r}
configure_logging(Redaction(SECRET))
log = structlog.get_logger("recorder.test").bind(watch="conference 1")
log.debug("not shown")
log.info("stream opened", url="wss://h/v1.0?encapsulation=rtp&token=" + SECRET, nested={{"a": [SECRET]}})
log.warning("refused %s", SECRET)
try:
    raise ConnectionError(f"wss://h?accesskey={{SECRET}}")
except ConnectionError:
    log.exception("it failed")
logging.getLogger("websockets.client").info("not shown")
logging.getLogger("websockets.client").warning("> Authorization: Bearer %s", SECRET)
logging.getLogger("botocore").error("%s %s", "too few arguments for " + SECRET)
warnings.warn(f"do not use {{SECRET}}")
thread = threading.Thread(target=lambda: 1 / 0)
thread.start()
thread.join()
raise RuntimeError(SECRET)
"""


def run_script(stderr: int) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", SCRIPT], stderr=stderr, text=True)


def formatted(redaction: Redaction, message: str, *args: object) -> str:
    record = logging.LogRecord("websockets", logging.WARNING, __file__, 1, message, args, None)
    return log_formatter(redaction, human=False).format(record)


# The chain


def test_every_line_is_json_without_the_secret_where_no_one_watches() -> None:
    process = run_script(subprocess.PIPE)
    _, written = process.communicate(timeout=60)
    broken = [
        line for line in written.splitlines() if line.startswith("a log line could not be written: botocore")
    ]
    lines = [json.loads(line) for line in written.splitlines() if line not in broken]

    assert process.returncode == 1
    assert TOKEN not in written
    assert len(broken) == 1
    assert [(line["logger"], line["level"]) for line in lines] == [
        ("recorder.test", "info"),
        ("recorder.test", "warning"),
        ("recorder.test", "error"),
        ("websockets.client", "warning"),
        ("py.warnings", "warning"),
        ("recorder", "critical"),
        ("recorder", "critical"),
    ]
    opened, refused, failed, header, _, thread, last = lines
    assert list(opened)[:4] == ["timestamp", "level", "logger", "event"]
    assert opened["timestamp"].endswith("Z")
    assert opened["watch"] == "conference 1"
    assert opened["url"] == f"wss://h/v1.0?encapsulation=rtp&token={REDACTED}"
    assert opened["nested"] == {"a": [REDACTED]}
    assert refused["event"] == f"refused {REDACTED}"
    assert f"ConnectionError: wss://h?accesskey={REDACTED}" in failed["exception"]
    assert header["event"] == f"> Authorization: Bearer {REDACTED}"
    assert "ZeroDivisionError" in thread["exception"]
    assert f"RuntimeError: {REDACTED}" in last["exception"]


def test_a_terminal_gets_lines_for_people_without_the_secret() -> None:
    terminal, end = pty.openpty()
    with run_script(end) as process:
        os.close(end)
        written = b""
        while chunk := _read(terminal):
            written += chunk
    os.close(terminal)

    text = written.decode()
    assert process.returncode == 1
    assert "stream opened" in text
    assert "\x1b[" in text
    assert "Traceback (most recent call last):" in text
    assert TOKEN not in text


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # Linux says so when the other end is closed
        return b""


# Redaction


@given(secrets, NEAR_TEXT, NEAR_TEXT)
@example("********", "", "")
def test_a_secret_is_found_in_every_form_it_is_written_in(secret: str, before: str, after: str) -> None:
    redaction = Redaction(secret)
    forms = (
        secret,
        quote(secret),
        quote(secret, safe=""),
        quote_plus(secret),
        repr(secret),
        json.dumps(secret),
    )
    for form in forms:
        redacted = redaction.text(f"{before}{form}{after}")
        if secret.strip("*"):  # of nothing else is what stands in its place
            assert form.strip("'\"") not in redacted


@given(secrets.filter(lambda secret: secret.strip("*")))
def test_a_secret_is_found_however_deep_it_lies(secret: str) -> None:
    class Holder:
        def __repr__(self) -> str:
            return f"Holder({secret})"

    redaction = Redaction(secret)
    value: object = {secret: [(secret, {"a": {secret}}), Holder(), secret.encode(), ValueError(secret)]}
    for _ in range(8):
        value = [value]

    for held in (value, [[value]], {"key": value}):
        redacted = redaction.value(held)

        assert secret not in repr(redacted).replace("\\\\", "\\")
        assert repr(secret)[1:-1] not in repr(redacted)


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("GET /v1.0/ws?token=abc&x=1", "GET /v1.0/ws?token=***&x=1"),
        ("/ws?x=1&accesskey=vb_1 HTTP/1.1", "/ws?x=1&accesskey=*** HTTP/1.1"),
        ("ACCESSKEY=abc", "ACCESSKEY=***"),
        ("Authorization: Bearer abc", "Authorization: Bearer ***"),
        ("authorization: abc", "authorization: ***"),
        ("('Authorization', 'Bearer abc')", "('Authorization', 'Bearer ***')"),
        ("{'Authorization': b'Bearer abc'}", "{'Authorization': b'Bearer ***'}"),
        ('{"authorization": "Basic abc"}', '{"authorization": "Basic ***"}'),
        (f"sent Bearer {TOKEN}", "sent Bearer ***"),
        ("a bearer of news", "a bearer of news"),
        ("the token is old", "the token is old"),
        ("tokens=5", "tokens=5"),
    ],
)
def test_what_stands_where_a_credential_is_expected_is_taken_out(text: str, redacted: str) -> None:
    assert Redaction().text(text) == redacted
    assert Redaction().text(redacted) == redacted


def test_a_key_that_names_a_credential_hides_its_value() -> None:
    assert Redaction().value({"Token": "abc", "headers": {"Authorization": "x"}, "count": 5}) == {
        "Token": REDACTED,
        "headers": {"Authorization": REDACTED},
        "count": 5,
    }


@given(
    st.recursive(st.none() | st.booleans() | st.floats() | st.text(), lambda v: st.lists(v) | st.tuples(v, v))
)
def test_any_line_can_be_written(value: object) -> None:
    line = formatted(Redaction(ACCESSKEY), "%r", (value,))

    assert json.loads(line)["logger"] == "websockets"
    assert "\n" not in line


# Repeats


def test_of_repeated_lines_one_passes_in_an_interval_and_tells_the_number() -> None:
    repeats = Repeats(60)

    assert [repeats.admit("a", now) for now in (0, 1, 59, 60, 61, 120, 500)] == [0, None, None, 2, None, 1, 0]


def test_kinds_of_lines_do_not_hold_back_each_other() -> None:
    repeats = Repeats(60)

    assert [repeats.admit(kind, 0) for kind in ("a", "b", ("a", 1))] == [0, 0, 0]


@given(st.lists(st.floats(0, 1000), min_size=1).map(sorted), st.floats(0.1, 100))
def test_no_line_is_lost_uncounted(times: list[float], interval: float) -> None:
    repeats = Repeats(interval)
    told = [repeats.admit("a", now) for now in times]
    passed = [now for now, held_back in zip(times, told, strict=True) if held_back is not None]

    after_last = len(told) - 1 - max(i for i, held_back in enumerate(told) if held_back is not None)
    assert sum(1 + held_back for held_back in told if held_back is not None) + after_last == len(times)
    assert all(later - earlier >= interval for earlier, later in itertools.pairwise(passed))


def test_kinds_are_forgotten_before_they_fill_the_memory() -> None:
    repeats = Repeats(60)
    for kind in range(10_000):
        assert repeats.admit(kind, kind / 1000) == 0

    assert repeats.admit(9_999, 10) is None
    assert repeats.admit(0, 10) == 0
