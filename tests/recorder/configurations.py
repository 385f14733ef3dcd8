"""A configuration in order, and ways to spoil it."""

from pathlib import Path

TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJyZWNvcmRlciJ9.c2lnbmF0dXJl"
"""Made up, in the form of a JWT."""

ACCESSKEY = "vb_0123456789abcdef0123456789abcdef"
"""Made up, in the form of VoIPBIN's."""

BOARD = "1ed12456-eb4b-11ee-bba8-1bfb2838807a"
CALL = "652af662-eb45-11ee-b1a5-6fde165f9226"

CONFIG = """\
watchlist = "watchlist.toml"

[voipbin]
url = "wss://voipbin.example/v1.0"

[recording]
spool = "spool"

[storage]
url = "s3://bucket/prefix"
"""

WATCHLIST = f"""\
[[conference]]
id = "{BOARD}"
name = "board"

[[call]]
id = "{CALL}"
encapsulation = "sln"
codec = "ulaw"
"""

WRONG_CONFIG = """\
watchlist = "watchlist.toml"
colour = "red"

[voipbin]
url = "ws://voipbin.example/v1.0"
encapsulation = "slin"
conect_rate = 12
ca_file = "missing.pem"

[recording]
spool = "spool"
segment = "7m"
gap_limit = "one minute"
idle_after = 10

[storage]
url = "ftp://bucket/prefix"
secret_access_key = "never here"
"""

WRONG_WATCHLIST = f"""\
[[conference]]
id = "{BOARD}"

[[conference]]
id = "{BOARD.upper()}"
encapsulation = "RTP"

[[call]]
id = "not-a-uuid"
nmae = "board"
"""

WRONG_PLACES = (
    "recorder.toml:2: colour: ",
    "recorder.toml:5: voipbin.url: ",
    "recorder.toml:6: voipbin.encapsulation: ",
    "recorder.toml:7: voipbin.conect_rate: ",
    "recorder.toml:8: voipbin.ca_file: ",
    "recorder.toml:12: recording.segment: ",
    "recorder.toml:13: recording.gap_limit: ",
    "recorder.toml:14: recording.idle_after: ",
    "recorder.toml:17: storage.url: ",
    "recorder.toml:18: storage.secret_access_key: ",
    "watchlist.toml:5: conference[2].id: ",
    "watchlist.toml:6: conference[2].encapsulation: ",
    "watchlist.toml:9: call[1].id: ",
    "watchlist.toml:10: call[1].nmae: ",
)
"""Where the mistakes of `WRONG_CONFIG` and `WRONG_WATCHLIST` are, in the order they are told."""


def write_configuration(folder: Path, config: str = CONFIG, watchlist: str = WATCHLIST) -> Path:
    """Write both files; the path of `recorder.toml`."""
    (folder / "watchlist.toml").write_text(watchlist)
    path = folder / "recorder.toml"
    path.write_text(config)
    return path


def unreadable_credential(folder: Path) -> dict[str, str]:
    """An environment whose credential cannot be read, not even by root: it is a folder."""
    (folder / "credentials" / "voipbin-token").mkdir(parents=True)
    return {"CREDENTIALS_DIRECTORY": str(folder / "credentials")}
