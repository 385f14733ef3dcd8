"""A SeaweedFS for tests, over http or over https with a certificate that nobody but the test trusts."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import trustme

from recorder.simulator.seaweedfs import Certificate, SeaweedFS


@contextmanager
def running_seaweedfs(folder: Path, *, tls: bool = False) -> Iterator[SeaweedFS]:
    """Start one below `folder`; it is gone at the end. Its `kill()` and `start()` make an outage."""
    folder.mkdir(parents=True, exist_ok=True)
    with SeaweedFS(folder, certificate=_certificate(folder) if tls else None) as seaweedfs:
        yield seaweedfs


def _certificate(folder: Path) -> Certificate:
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1", "localhost")
    files = Certificate(chain=folder / "chain.pem", key=folder / "key.pem", ca=folder / "ca.pem")
    files.chain.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    issued.private_key_pem.write_to_path(files.key)
    authority.cert_pem.write_to_path(files.ca)
    return files
