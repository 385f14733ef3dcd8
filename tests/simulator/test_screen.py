"""What the demo says is said as it is: brackets are no markup."""

import pytest

from recorder.simulator.screen import Screen


def test_what_to_install_is_said_whole(capsys: pytest.CaptureFixture[str]) -> None:
    Screen().fail("SeaweedFS is not installed: pip install 'conference-recorder[demo]'")
    Screen().say("kept in /tmp/[demo]/recordings")

    failed, kept = capsys.readouterr().out.splitlines()
    assert failed.endswith("pip install 'conference-recorder[demo]'")
    assert kept == "kept in /tmp/[demo]/recordings"
