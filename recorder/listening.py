"""Where the daemon can be asked how it stands: the tables `[status]` and `[metrics]`. Listens to nothing."""

import ipaddress
from pathlib import Path
from typing import Annotated, Final, NamedTuple

from pydantic import BeforeValidator, Field, PlainSerializer, ValidationError

from recorder.problems import ConfigurationError, shown
from recorder.table import Table
from recorder.toml_source import TomlSource
from recorder.values import FilePath, InFile

SOCKET_NAME: Final = ".status"
"""Of the local socket in the spool."""
_EXAMPLE: Final = "127.0.0.1:9464"


class Address(NamedTuple):
    """Where to listen. The port may be 0: the kernel chooses one, which the log tells."""

    host: str
    port: int

    def __str__(self) -> str:
        """As it is written."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_address(text: str) -> Address:
    """Read `host:port`, where the host is this machine itself.

    Raises:
        ValueError: it is not written like that, or others could reach it.
    """
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not (port.isascii() and port.isdecimal() and int(port) < 1 << 16):
        raise ValueError(f'{shown(text)} is not an address with a port; write one such as "{_EXAMPLE}"')
    try:
        is_loopback = ipaddress.ip_address("127.0.0.1" if host == "localhost" else host).is_loopback
    except ValueError:
        raise ValueError(f'{shown(text)} names no address; write one such as "{_EXAMPLE}"') from None
    if not is_loopback:
        raise ValueError(
            f"others could reach {shown(text)}, and nobody is asked who he is; write a loopback address such"
            f' as "{_EXAMPLE}", and put a proxy in front of it'
        )
    return Address("127.0.0.1" if host == "localhost" else host, int(port))


def _address(value: object) -> Address:
    if isinstance(value, Address):
        return value
    return parse_address(value if isinstance(value, str) else shown(value))


class MetricsSettings(Table):
    """Metrics and health over HTTP.

    Attributes:
        listen: where, on this machine; None: nowhere.
    """

    listen: Annotated[Address, BeforeValidator(_address), PlainSerializer(str)] | None = Field(
        default=None, examples=[_EXAMPLE]
    )


class StatusSettings(Table):
    """The local socket that `conference-recorder status` asks.

    Attributes:
        socket: its path; None: in the spool.
    """

    socket: FilePath | None = None

    def path(self, spool: Path) -> Path:
        """Where it is, given where the spool is."""
        return self.socket or spool / SOCKET_NAME


def status_socket(config: Path) -> Path:
    """The local socket of the daemon with that configuration, of which no more than that is read.

    Who asks needs no credential, and need not be allowed what the daemon is.

    Raises:
        ConfigurationError: the file cannot be read, or does not say it.
    """
    source = TomlSource.read(config)
    tables, folder = source.tables, config.parent.absolute()
    recording, said = tables.get("recording"), tables.get("status", {})
    spool = recording.get("spool") if isinstance(recording, dict) else None
    try:
        settings = StatusSettings.model_validate(said, context=InFile(folder))
    except ValidationError as error:
        message = error.errors(include_url=False)[0]["msg"]
        raise ConfigurationError([source.problem(("status",), message)]) from None
    if settings.socket is None and not isinstance(spool, str):
        raise ConfigurationError([source.problem(("recording", "spool"), "names no folder")])
    return settings.path(folder / str(spool))
