"""What all our records in JSON have in common: how they are read, and instants and hashes in them. Pure."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, PlainSerializer

_YEARS = range(1970, 9000)


def _within_reckoning(at: datetime) -> datetime:
    if at.year not in _YEARS:
        raise ValueError(f"lies outside of the years {_YEARS[0]} to {_YEARS[-1]}")
    return at


Instant = Annotated[
    AwareDatetime,
    AfterValidator(_within_reckoning),  # a day may be added to it, or `Seconds`
    PlainSerializer(lambda at: at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"), when_used="json"),
]
Seconds = Annotated[float, Field(ge=0, le=1e10)]
"""Some three hundred years: what is longer is a forgery that no calendar holds."""
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Record(BaseModel):
    """Frozen; keys that it does not know are ignored, so that a later writer may say more."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True, allow_inf_nan=False)
