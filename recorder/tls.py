"""Whom the recorder trusts to be the platform."""

import ssl

from recorder.config import VoipbinSettings


def tls_context(settings: VoipbinSettings) -> ssl.SSLContext | None:
    """The system's certificates, and those that are configured; None where the platform speaks no TLS.

    Raises:
        OSError: the configured ones cannot be read any more.
    """
    if not settings.url.lower().startswith("wss:"):
        return None
    context = ssl.create_default_context()
    if settings.ca_file:
        context.load_verify_locations(settings.ca_file)
    return context
