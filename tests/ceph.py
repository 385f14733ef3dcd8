"""A Ceph of one monitor, one disk in memory and one S3 gateway, from a distribution's packages.

It is as small as Ceph gets: nothing is replicated, and nothing outlives it.
"""

import json
import os
import secrets
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from uuid import uuid4

from recorder.simulator.seaweedfs import free_ports
from tests.stores import Site, create_bucket, program, running, wait_for

_PACKAGES = "apt-get install ceph-mon ceph-osd radosgw"

_CONFIGURATION = """\
[global]
fsid = {fsid}
mon_host = v2:127.0.0.1:{monitor}
keyring = {folder}/keyring
osd_objectstore = memstore
memstore_device_bytes = 1073741824
osd_crush_chooseleaf_type = 0
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 1
osd_pool_default_pgp_num = 1
osd_pool_default_pg_autoscale_mode = off
mon_allow_pool_size_one = true
mon_max_pg_per_osd = 1000
mon_data = {folder}/mon
mon_data_avail_crit = 1
mon_cluster_log_file = {folder}/cluster.log
osd_data = {folder}/osd
rgw_data = {folder}/rgw
run_dir = {folder}
crash_dir = {folder}
admin_socket =
pid_file = {folder}/$name.pid
log_file = {folder}/$name.log
"""

_TIMEOUT = 60


@contextmanager
def running_ceph(folder: Path) -> Iterator[Site]:
    """Its S3 gateway, with a user and a bucket; skips the test where it is not installed."""
    names = ("ceph-mon", "ceph-osd", "radosgw", "radosgw-admin", "ceph", "ceph-authtool", "monmaptool")
    programs = {name: program(name, _PACKAGES) for name in names}
    monitor, gateway = free_ports(2)
    site = Site(f"http://127.0.0.1:{gateway}", f"key{secrets.token_hex(8)}", secrets.token_hex(16))
    fsid, disk = str(uuid4()), str(uuid4())
    for name in ("mon", "osd", "rgw"):
        (folder / name).mkdir()
    configuration = _CONFIGURATION.format(fsid=fsid, monitor=monitor, folder=folder)
    (folder / "ceph.conf").write_text(configuration)

    def command(name: str, *arguments: str) -> list[str]:
        return [programs[name], *arguments, "-c", "ceph.conf"]

    def run(*line: str) -> str:
        done = subprocess.run(line, cwd=folder, capture_output=True, text=True, timeout=_TIMEOUT, check=False)
        assert done.returncode == 0, f"{line}: {done.stderr}"
        return done.stdout

    def start(stack: ExitStack, name: str, *arguments: str) -> "subprocess.Popen[bytes]":
        line = command(name, *arguments, "-f")
        return stack.enter_context(running(line, folder / f"{name}.txt", dict(os.environ)))

    run(programs["ceph-authtool"], "-C", "-g", "-n", "mon.", "--cap", "mon", "allow *", "keyring")
    everything = [word for part in ("mon", "osd", "mgr") for word in ("--cap", part, "allow *")]
    for name in ("client.admin", "client.rgw"):
        run(programs["ceph-authtool"], "-g", "-n", name, *everything, "keyring")
    address = f"[v2:127.0.0.1:{monitor}]"
    run(programs["monmaptool"], "--create", "--addv", "a", address, "--fsid", fsid, "monmap")
    run(*command("ceph-mon", "--mkfs", "-i", "a", "--monmap", "monmap", "--keyring", "keyring"))
    with ExitStack() as stack:
        start(stack, "ceph-mon", "-i", "a")
        run(programs["ceph-authtool"], "-g", "-n", "osd.0", "keyring")
        secret = run(programs["ceph-authtool"], "-n", "osd.0", "-p", "keyring").strip()
        (folder / "secret.json").write_text(json.dumps({"cephx_secret": secret}))
        run(*command("ceph", "osd", "new", disk, "-i", "secret.json"))
        run(*command("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", disk))
        start(stack, "ceph-osd", "-i", "0")
        frontend = f"beast endpoint=127.0.0.1:{gateway}"
        server = start(stack, "radosgw", "-n", "client.rgw", f"--rgw_frontends={frontend}")
        wait_for(gateway, server)
        user = ["--uid=tests", "--display-name=tests", f"--access-key={site.access_key}"]
        user.append(f"--secret-key={site.secret_key}")
        run(*command("radosgw-admin", "-n", "client.rgw", "user", "create", *user))
        create_bucket(site)
        yield site
