"""How the platform is spoken to, whatever is asked of it: who we are, and where the credential goes.

Knows no library of the network.
"""

from recorder import __version__
from recorder.config import AuthForm, VoipbinSettings
from recorder.credential import Credential, CredentialKind

USER_AGENT = f"conference-recorder/{__version__}"


def headers(settings: VoipbinSettings, credential: Credential) -> dict[str, str]:
    """The header keeps a token out of access logs; the platform knows none for an access key."""
    if credential.kind is CredentialKind.TOKEN and settings.auth is AuthForm.HEADER:
        return {"Authorization": f"Bearer {credential.secret}"}
    return {}


def query(settings: VoipbinSettings, credential: Credential) -> dict[str, str]:
    """What of the credential stands in the URL."""
    if credential.kind is CredentialKind.ACCESSKEY:
        return {"accesskey": credential.secret}
    return {"token": credential.secret} if settings.auth is AuthForm.QUERY else {}
