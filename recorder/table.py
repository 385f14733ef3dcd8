"""What all tables of `recorder.toml` have in common."""

from pydantic import BaseModel, ConfigDict


class Table(BaseModel):
    """A table of the file. Built in Python, it takes paths, words of a choice and seconds as they are."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)
