"""The daemon's settings: `recorder.toml`, the watch list it names and the credential, checked as one.

Whatever is wrong is found in one go and raised together. The values are frozen and can be relied on. Starts
nothing, creates nothing, and does not reach out to the network.
"""

import math
import re
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from recorder.core.media import CodecChoice, Encapsulation
from recorder.credential import Credential, credentials_in_file, load_credential
from recorder.hooks.settings import HookSettings, load_keys
from recorder.limits import too_few_files
from recorder.listening import MetricsSettings, StatusSettings
from recorder.problems import ConfigurationError, Problem, explain, layout
from recorder.redaction import Redaction
from recorder.shard import Shard
from recorder.storing import StorageSettings
from recorder.table import Table
from recorder.toml_source import TomlSource
from recorder.values import (
    CertificateFile,
    CodecWord,
    Duration,
    EncapsulationWord,
    InFile,
    ReadableFile,
    SegmentLength,
    ShardWord,
    Size,
    WritableFolder,
    between,
    choice,
    server_url,
)
from recorder.watchlist import WatchList
from recorder.watchlist_file import WatchDefaults, load_watchlist
from storage.backends import can_hold
from storage.names import MAX_RECORDER_LENGTH, AudioFormat, check_recorder

__all__ = ["ConfigurationError", "Problem", "Settings", "StorageSettings", "load_settings"]

PLATFORM_CONNECT_RATE = 17
"""Handshakes a second that VoIPBIN allows a customer, over all that use its keys."""


class AuthForm(StrEnum):
    """Where a JWT goes. An access key always goes in the query; the platform takes it nowhere else."""

    HEADER = "header"
    QUERY = "query"


class WhenFull(StrEnum):
    """What is done when less than `min_free` is free on the disk of the spool."""

    STOP = "stop"
    """Nothing is recorded until there is room."""
    DROP_OLDEST = "drop-oldest"
    """What waits longest for its upload gives its audio up."""


def _connect_rate(rate: float) -> float:
    if not (math.isfinite(rate) and rate > 0):
        raise ValueError(
            f"{rate} is not a rate; write how many connections may be opened a second, such as 15"
        )
    return rate


def fit_recorder(host: str, shard: Shard | None = None) -> str:
    """Make a host name fit for names of segments: what cannot stand in one becomes a hyphen.

    The shard stands behind it, for a host may have several.
    """
    suffix = f"-{shard.number}of{shard.count}" if shard else ""
    fitting = re.sub(r"[^A-Za-z0-9.-]", "-", host).lstrip(".-")
    return (fitting[: MAX_RECORDER_LENGTH - len(suffix)] or "recorder") + suffix


class VoipbinSettings(Table):
    """The platform and how it is spoken to.

    Attributes:
        allow_insecure: permits `ws://`.
        url: of the API, as `wss://host/v1.0`, without a slash at the end.
        encapsulation: for watches that name none.
        codec: for watches that name none.
        connect_rate: handshakes a second, over all watches of the list and all shards.
        read_interval: seconds between two reads of a stream. Longer is cheaper; what was not read is lost if
            the process dies.
        ca_file: certificates to trust in place of the system's.
        auth: where a JWT goes.
        observe: whether the API and the event socket are asked who is in a conference, and when it ends.
        no_audio_after: seconds without audio, though people are there, after which a stream is opened anew.
    """

    allow_insecure: bool = False  # stands before `url`, whose check needs it
    url: Annotated[str, AfterValidator(server_url)] = Field(examples=["wss://api.voipbin.net/v1.0"])
    encapsulation: EncapsulationWord = Encapsulation.RTP
    codec: CodecWord = CodecChoice.AUTO
    connect_rate: Annotated[float, AfterValidator(_connect_rate)] = 15.0
    read_interval: Annotated[Duration, between(0.02, 1)] = 0.5
    ca_file: CertificateFile | None = None
    auth: Annotated[AuthForm, choice(AuthForm)] = AuthForm.HEADER
    observe: bool = True
    no_audio_after: Annotated[Duration, between(5, 3600)] = 20.0

    @field_validator("url")
    @classmethod
    def _is_permitted(cls, url: str, info: ValidationInfo) -> str:
        if urlsplit(url).scheme == "ws" and info.data.get("allow_insecure") is False:
            raise ValueError(
                "ws:// sends the credential and the audio unencrypted; write wss://, or set allow_insecure ="
                " true if that is meant"
            )
        return url


class RecordingSettings(Table):
    """What becomes of the audio on this machine. Durations in seconds.

    Attributes:
        spool: folder of what is not in the bucket yet.
        shard: the share of the watch list that this instance records; None: all of it.
        recorder: this instance, in names and manifests.
        format: what audio is stored as; the same samples in any.
        segment: length of a segment on the UTC grid; whole seconds, a divisor of an hour or a day.
        gap_limit: the longest interruption that is filled with silence rather than ending the segment.
        idle_after: without audio for so long, a segment ends at its last sample.
        sync_interval: how often what was written is seen onto the disk: what a power cut can take.
        min_free: bytes on the disk of the spool that recordings leave free.
        when_full: what is done when less is free.
        drain_timeout: how long open segments may take to reach the bucket when the daemon is told to stop.
    """

    spool: WritableFolder = Field(examples=["/var/lib/conference-recorder"])
    shard: ShardWord | None = None  # stands before `recorder`, whose default has it
    recorder: Annotated[str, AfterValidator(check_recorder)] = Field(
        default_factory=lambda before: fit_recorder(socket.gethostname(), before.get("shard"))
    )
    format: Annotated[AudioFormat, choice(AudioFormat)] = AudioFormat.WAV
    segment: SegmentLength = 300.0
    gap_limit: Annotated[Duration, between(0, 3600)] = 60.0
    idle_after: Annotated[Duration, between(1, 3600)] = 10.0
    sync_interval: Annotated[Duration, between(0.5, 3600)] = 5.0
    min_free: Size = 512 << 20
    when_full: Annotated[WhenFull, choice(WhenFull)] = WhenFull.STOP
    drain_timeout: Annotated[Duration, between(0, 3600)] = 30.0


class _File(Table):
    """`recorder.toml` as a whole."""

    watchlist: ReadableFile = Field(examples=["watchlist.toml"])
    voipbin: VoipbinSettings
    recording: RecordingSettings
    storage: StorageSettings
    metrics: MetricsSettings = Field(default_factory=MetricsSettings)
    status: StatusSettings = Field(default_factory=StatusSettings)
    hooks: list[HookSettings] = Field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All that the daemon is told before it starts.

    Attributes:
        path: the file the settings come from.
        watchlist: the file of the watch list, which may change while the daemon runs.
        watches: what that file says now, or the share of it that is this instance's.
        warnings: what is allowed but probably not meant.
        hook_keys: what posts of hooks are signed with, by name.
    """

    path: Path
    voipbin: VoipbinSettings
    recording: RecordingSettings
    storage: StorageSettings
    credential: Credential
    watchlist: Path
    watches: WatchList
    warnings: tuple[Problem, ...] = ()
    metrics: MetricsSettings = field(default_factory=MetricsSettings)
    status: StatusSettings = field(default_factory=StatusSettings)
    hooks: tuple[HookSettings, ...] = ()
    hook_keys: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def secrets(self) -> tuple[str, ...]:
        """What no text may hold. In the URL of a hook there often is one."""
        return (self.credential.secret, *self.hook_keys.values(), *(h.url for h in self.hooks if h.url))

    @property
    def watch_defaults(self) -> WatchDefaults:
        """What holds for watches that say nothing else; to load the watch list again."""
        return _defaults(self.voipbin, self.storage)

    @property
    def nothing_watched(self) -> str:
        """Why nothing is to be recorded; "" where something is, or may be once the platform has it."""
        if self.watches or self.watches.patterns:
            return ""
        if not self.watches.listed:
            return "the watch list is empty"
        return f"none of the {self.watches.listed} watches of the list is in shard {self.recording.shard}"

    @property
    def connect_rate(self) -> float:
        """Handshakes a second of this instance. All shards together keep within what is configured."""
        shard = self.recording.shard
        return self.voipbin.connect_rate / (shard.count if shard else 1)


def load_settings(path: Path, environ: Mapping[str, str]) -> Settings:
    """Read and check the configuration, the watch list it names and the credential of `environ`.

    Raises:
        ConfigurationError: with every problem of all of them; no message holds a credential.
    """
    problems: list[Problem] = []
    file, watches, credential = None, None, None
    keys: Mapping[str, str] = {}
    try:
        source = TomlSource.read(path)
    except ConfigurationError as error:
        problems += error.problems
    else:
        file, watches, found = _read_tables(source, path.parent)
        problems += found
        keys, found = load_keys(file.hooks if file else (), environ, source)
        problems += found
    try:
        credential = load_credential(environ)
    except ConfigurationError as error:
        problems += error.problems
    if file is None or watches is None or credential is None or problems:
        raise ConfigurationError(_redacted(problems, credential))
    return Settings(
        path=path,
        voipbin=file.voipbin,
        recording=file.recording,
        storage=file.storage,
        credential=credential,
        watchlist=file.watchlist,
        watches=watches,
        warnings=tuple(_warnings(source, file, watches)),
        metrics=file.metrics,
        status=file.status,
        hooks=tuple(file.hooks),
        hook_keys=keys,
    )


def _read_tables(source: TomlSource, folder: Path) -> tuple[_File | None, WatchList | None, list[Problem]]:
    """Check the file and, whatever is wrong with the rest of it, the watch list it names."""
    problems = credentials_in_file(source)
    known = layout(_File)
    tables: dict[str, Any] = {name: {} for (name,) in filter(None, known)} | source.tables
    file = None
    try:
        file = _File.model_validate(tables, context=InFile(folder))
    except ValidationError as error:
        for path, message in explain(error, _File, known):
            problems.setdefault(path, source.problem(path, message))
    found = sorted(problems.values(), key=lambda problem: problem.line or 0)
    if ("watchlist",) in problems:
        return file, None, found
    defaults = _defaults(file.voipbin, file.storage) if file else WatchDefaults()
    shard = file.recording.shard if file else None
    try:
        return file, load_watchlist(folder / source.tables["watchlist"], defaults, shard), found
    except ConfigurationError as error:
        return file, None, [*found, *error.problems]


def _defaults(voipbin: VoipbinSettings, storage: StorageSettings) -> WatchDefaults:
    return WatchDefaults(voipbin.encapsulation, voipbin.codec, can_hold(storage.url), voipbin.observe)


def _warnings(source: TomlSource, file: _File, watches: WatchList) -> Iterator[Problem]:
    if message := too_few_files(len(watches)):
        yield source.problem(("watchlist",), message)
    if file.voipbin.connect_rate > PLATFORM_CONNECT_RATE:
        message = (
            f"{file.voipbin.connect_rate:g} is more than the {PLATFORM_CONNECT_RATE} requests a second that"
            " VoIPBIN allows a customer; what is above will be answered 429 and tried again"
        )
        yield source.problem(("voipbin", "connect_rate"), message)


def _redacted(problems: list[Problem], credential: Credential | None) -> list[Problem]:
    """A credential may stand where nobody expects it, and messages show what they object to."""
    redaction = Redaction(credential.secret if credential else "")
    return [Problem(p.file, p.line, p.key, redaction.text(p.message)) for p in problems]
