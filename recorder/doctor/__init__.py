"""The doctor: before the first call, tries all that a recording needs, and names a remedy for what fails.

Nothing is left behind, and a daemon that runs is not disturbed: the spool is not claimed, no stream stays.
"""

from recorder.doctor.examination import examine
from recorder.doctor.finding import Finding, Verdict

__all__ = ["Finding", "Verdict", "examine"]
