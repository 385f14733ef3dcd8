"""The units, as far as they can be judged without a systemd that runs."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from recorder.config import RecordingSettings
from recorder.values import parse_duration

UNITS = Path(__file__).parents[2] / "systemd"
SERVICE = "conference-recorder.service"
SHARD = "conference-recorder@.service"
DOCTOR = "conference-recorder-doctor.service"

NEEDS_SYSTEMD = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="there is no systemd-analyze")


def settings(unit: str) -> list[str]:
    """The lines of a unit that say something."""
    lines = (UNITS / unit).read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def value(unit: str, key: str) -> str:
    (found,) = (line.partition("=")[2] for line in settings(unit) if line.startswith(f"{key}="))
    return found


def sandbox(unit: str) -> list[str]:
    """What confines the process, and gives it its secrets."""
    about = re.compile(
        r"(Ambient|Capability|Device|DynamicUser|Environment|Keyring|Limit|LoadCred|Lock|Memory|NoNew|Private"
        r"|Protect|RemoveIPC|Restrict(?!PreventExit)|StateDirectoryMode|SystemCall|UMask)"
    )
    return [line for line in settings(unit) if about.match(line)]


@NEEDS_SYSTEMD
@pytest.mark.parametrize("unit", [SERVICE, SHARD, DOCTOR])
def test_a_unit_exposes_little(unit: str) -> None:
    result = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", UNITS / unit],
        capture_output=True,
        text=True,
        check=False,
    )
    if "unrecognized option" in result.stderr:
        pytest.skip("this systemd-analyze judges no unit that is not loaded")

    found = re.search(r"exposure level for \S+: ([0-9.]+)", result.stdout)
    assert found, result.stdout + result.stderr
    assert float(found[1]) <= 1.5


def test_all_units_are_confined_alike() -> None:
    assert len(sandbox(SERVICE)) > 30
    assert sandbox(SHARD) == sandbox(SERVICE)
    assert sandbox(DOCTOR) == sandbox(SERVICE)


def test_shards_differ_in_what_is_theirs_alone() -> None:
    single, shard = settings(SERVICE), settings(SHARD)

    theirs = [line for line in shard if line not in single]
    assert [line.partition("=")[0] for line in theirs] == [
        "Description",
        "ExecStart",
        "StateDirectory",
        "RuntimeDirectory",
    ]
    assert all("%i" in line for line in theirs)
    assert len(shard) == len(single)


def test_a_stop_has_time_for_the_drain() -> None:
    drain = RecordingSettings.model_fields["drain_timeout"].default

    assert parse_duration(value(SERVICE, "TimeoutStopSec")) >= drain + 30


def test_the_doctor_has_the_user_of_the_daemon() -> None:
    assert value(DOCTOR, "User") == SERVICE.removesuffix(".service")
    assert value(DOCTOR, "StateDirectory") == value(SERVICE, "StateDirectory")


def test_a_mistake_in_the_configuration_is_not_tried_again() -> None:
    assert value(SERVICE, "RestartPreventExitStatus") == "2"
    assert value(SERVICE, "Restart") == "always"


def test_the_spool_of_the_example_is_where_the_unit_may_write() -> None:
    example = (UNITS / "recorder.toml").read_text()

    assert f'spool = "/var/lib/{value(SERVICE, "StateDirectory")}"' in example
