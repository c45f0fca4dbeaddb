"""Ceph's S3 gateway on loopback: a real server of other people, kept in memory, gone when the tests are over.

One monitor, one object store in memory (memstore), one gateway; no manager, which only counts and balances.
Lifecycle rules are really executed here, and a day of theirs lasts five seconds.
"""

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import httpx
from botocore.config import Config

from lifecycle.providers import S3Provider
from pipelines.domain.configuration import Endpoint

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

MEASURED_VERSION = "16.2"
"""The release whose gaps the tests write down; a later one may enforce more."""
PROGRAMS = ("ceph", "ceph-mon", "ceph-osd", "monmaptool", "radosgw", "radosgw-admin")
CLASSES = ("STANDARD", "STANDARD_IA", "GLACIER_IR", "GLACIER")
DAY_SECONDS = 5
"""How long the gateway takes a day of a lifecycle rule to be."""
_ACCESS_KEY, _SECRET = "moraine-tests", "of-a-loopback-server"
_START_SECONDS = 60
_CLUSTER = "00000000-0000-4000-8000-00000000000a"
_DISK = "00000000-0000-4000-8000-00000000000b"
_PLACEMENT = "default-placement"
_SETTINGS = """
[global]
fsid = {cluster}
mon host = [v2:127.0.0.1:{monitor}]
public addr = 127.0.0.1
cluster addr = 127.0.0.1
# Nobody but this machine reaches it. The gateway asks for encryption otherwise, which needs keys.
auth cluster required = none
auth service required = none
auth client required = none
ms mon client mode = crc
# A socket's path may have 107 bytes; a test's directory is often longer.
admin socket =
run dir = {home}
log file = {home}/$name.log
keyring = {home}/none
mon data = {home}/mon
osd data = {home}/osd
osd objectstore = memstore
osd crush chooseleaf type = 0
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
osd pool default pgp num = 1
osd pool default pg autoscale mode = off
# One monitor has nobody to agree with: with the usual pause of a second, each of a dozen pools waits for it.
paxos propose interval = 0.02
paxos min wait = 0.01
rgw frontends = beast endpoint=127.0.0.1:{gateway}
rgw rados pool pg num min = 1
rgw override bucket index max shards = 1
rgw lc debug interval = {day}
"""


@dataclass(frozen=True)
class Rgw:
    """A running gateway."""

    url: str
    gateway: subprocess.Popen[bytes]
    session: boto3.Session
    """Credentials that the gateway knows."""
    client: "S3Client"

    @property
    def provider(self) -> S3Provider:
        """Return the write side of it; it takes its credentials from the session in force."""
        return S3Provider((Endpoint(match="s3://*", endpoint_url=self.url),))

    def wait_until(self, is_so: Callable[[], bool], seconds: float) -> float:
        """Ask again and again; return after how many seconds it was so."""
        return _wait_until(is_so, self.gateway, seconds)


def session_with(secret: str) -> boto3.Session:
    """Return a session of the one user, with his secret or a wrong one: the gateway looks."""
    return boto3.Session(_ACCESS_KEY, secret, region_name="us-east-1")


def why_not_here() -> str:
    """Return why the server cannot be started on this machine; nothing if it can."""
    found = {program: shutil.which(program) for program in PROGRAMS}
    missing = ", ".join(program for program, path in found.items() if path is None)
    if missing:
        return f"Ceph RGW is not installed ({missing} not found); .ci/install-rgw installs it"
    words = [str(found["radosgw"]), "--version"]
    said = subprocess.run(words, env=_environment(), capture_output=True, text=True, check=False)
    if f"version {MEASURED_VERSION}." not in said.stdout:
        return (
            f"what Ceph RGW {MEASURED_VERSION} enforces is known; here is {said.stdout.strip() or 'another'}"
        )
    return ""


@contextmanager
def running_rgw(home: Path) -> Iterator[Rgw]:
    """Start a cluster that keeps its files in `home`; no process of it is left afterwards."""
    monitor, gateway = _free_ports(2)
    settings = _SETTINGS.format(
        home=home, cluster=_CLUSTER, monitor=monitor, gateway=gateway, day=DAY_SECONDS
    )
    (home / "ceph.conf").write_text(settings)
    for folder in ("mon", "osd"):
        (home / folder).mkdir()
    with ExitStack() as running:
        cluster = _Cluster(home, running)
        cluster.start_monitor(monitor)
        cluster.start_disk()
        cluster.make_user()
        cluster.add_classes()
        yield cluster.start_gateway(f"http://127.0.0.1:{gateway}")


@dataclass(frozen=True)
class _Cluster:
    home: Path
    running: ExitStack

    def start_monitor(self, port: int) -> None:
        address = f"[v2:127.0.0.1:{port}]"
        self.run(
            "monmaptool", "--create", "--addv", "a", address, "--fsid", _CLUSTER, str(self.home / "monmap")
        )
        self.run("ceph-mon", "-i", "a", "--mkfs", "--monmap", str(self.home / "monmap"))
        self.start("ceph-mon", "-i", "a")

    def start_disk(self) -> None:
        self.run("ceph", "--connect-timeout", str(_START_SECONDS), "osd", "new", _DISK)
        self.run("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", _DISK)
        self.start("ceph-osd", "-i", "0")

    def make_user(self) -> None:
        """Make the one user; the first administrator's command also makes the zone."""
        keys = ("--access-key", _ACCESS_KEY, "--secret", _SECRET)
        self.run("radosgw-admin", "user", "create", "--uid", "tests", "--display-name", "tests", *keys)

    def add_classes(self) -> None:
        """Offer the storage classes; all of them lie in the same memory."""
        group, zone = self.read("zonegroup"), self.read("zone")
        (target,) = (item for item in group["placement_targets"] if item["name"] == _PLACEMENT)
        target["storage_classes"] = list(CLASSES)
        (pools,) = (item["val"] for item in zone["placement_pools"] if item["key"] == _PLACEMENT)
        pools["storage_classes"] = dict.fromkeys(CLASSES, pools["storage_classes"]["STANDARD"])
        for kind, said in (("zonegroup", group), ("zone", zone)):
            self.run("radosgw-admin", kind, "set", given=json.dumps(said))

    def start_gateway(self, url: str) -> Rgw:
        process = self.start("radosgw", "-n", "client.rgw")
        try:
            _wait_until(lambda: _answers(url), process, _START_SECONDS)
        except AssertionError as error:
            raise AssertionError((self.home / "radosgw.out").read_text()[-2000:]) from error
        session = session_with(_SECRET)
        by_path = Config(s3={"addressing_style": "path"})
        return Rgw(url, process, session, session.client("s3", endpoint_url=url, config=by_path))

    def read(self, kind: str) -> dict[str, Any]:
        return dict(json.loads(self.run("radosgw-admin", kind, "get")))

    def run(self, *words: str, given: str = "") -> str:
        ended = subprocess.run(
            _tied(words),
            input=given,
            env=_environment(self.home),
            capture_output=True,
            text=True,
            timeout=_START_SECONDS,
            check=False,
        )
        assert ended.returncode == 0, f"{words}: {ended.stderr[-2000:]}"
        return ended.stdout

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        """Start a daemon that ends with the tests."""
        output = self.running.enter_context((self.home / f"{words[0]}.out").open("wb"))
        process = subprocess.Popen(
            [*_tied(words), "-f"],
            cwd=self.home,
            env=_environment(self.home),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            process_group=0,
        )
        self.running.callback(_end, process)
        return process


def _tied(words: Sequence[str]) -> list[str]:
    """Return the command of a process that ends with the tests, also with tests that are killed."""
    return [*(("setpriv", "--pdeathsig", "KILL", "--") if shutil.which("setpriv") else ()), *words]


def _end(process: subprocess.Popen[bytes]) -> None:
    # What it holds is thrown away: there is nothing to say goodbye for.
    process.kill()
    process.wait()


def _wait_until(is_so: Callable[[], bool], process: subprocess.Popen[bytes], seconds: float) -> float:
    began_at = time.monotonic()
    while not is_so():
        passed = time.monotonic() - began_at
        assert passed < seconds, f"it was not so within {seconds} s"
        # A pause that ends at once, should the server die.
        with suppress(subprocess.TimeoutExpired):
            raise AssertionError(f"the server ended with {process.wait(timeout=0.05)}")
    return time.monotonic() - began_at


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5).status_code < httpx.codes.INTERNAL_SERVER_ERROR
    except httpx.TransportError:
        return False


def _free_ports(count: int) -> list[int]:
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for free in sockets:
            free.bind(("127.0.0.1", 0))
        return [int(free.getsockname()[1]) for free in sockets]


def _environment(home: Path | None = None) -> Mapping[str, str]:
    """Return what a program of Ceph sees: nothing of the machine's own cluster, should there be one."""
    settings = {} if home is None else {"CEPH_CONF": str(home / "ceph.conf"), "HOME": str(home)}
    return {"PATH": os.environ["PATH"], "LC_ALL": "C", **settings}
