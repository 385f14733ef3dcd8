"""The recording daemon: one reconnecting stream per watched conference, from the socket into the bucket."""

from importlib.metadata import version

__version__ = version("conference-recorder")
