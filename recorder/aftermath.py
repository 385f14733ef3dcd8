"""What is said at a start of what the life before left behind. Knows no file and repairs nothing."""

import structlog

from recorder import logs
from recorder.spool import Recovery

_log = structlog.stdlib.get_logger(__name__)


def say_recovered(recovery: Recovery) -> None:
    """A line for each thing that was found."""
    for manifest in recovery.recovered:
        _log.warning(
            "segment recovered: the recorder died while it was open",
            **{logs.SEGMENT: manifest.name.stem, logs.SAMPLES: manifest.samples},
        )
    for error in recovery.postponed:
        _log.error(
            "a segment cannot be recovered now; the next start tries again", **{logs.ERROR: str(error)}
        )
    for path in recovery.quarantined:
        _log.error(
            "file set aside: it is no segment, or too little of one; a person must look at it",
            **{logs.FILE: str(path)},
        )
