"""Whether the store is one for production, and there."""

from __future__ import annotations

import os
import re
import secrets
import time
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

import click

from ..exceptions import StoreUnavailable
from ..lifecycle.binding import Binding
from ..stores import Store, entry_name
from .findings import Finding, Level
from .revoking import refuse_as_root

# File systems on other machines, where SQLite's locks and its write-ahead file do not work.
_NETWORK = re.compile(
    r"nfs4?|cifs|smb3|smbfs|9p|afs|ceph|glusterfs|lustre|fuse\.(sshfs|s3fs|gcsfuse|ceph)"
)
_FORGETFUL = frozenset({"tmpfs", "ramfs", "overlay"})
_SENTINEL_HOST = re.compile(r"(\[[^\]]*\]|[^:,]*)(:\d*)?(,|$)")


def store_findings(binding: Binding) -> Iterator[Finding]:
    """What there is to say of the store of one instance."""
    settings = binding.settings
    key = f"{settings.config_prefix}_STORE"
    if settings.store is None:
        yield _warning(
            f"{key} is None: a session cannot be revoked, and a copied cookie is good after its "
            "sign-out.",
        )
        return
    if not binding.store.is_shared:
        yield _problem(
            f"{key} is the memory of one process: the other workers do not learn of a sign-out.",
        )
        return
    if settings.store_failure == "open":
        yield _warning(
            f"{settings.config_prefix}_STORE_FAILURE is 'open': while the store is away, revoked "
            "sessions are served.",
        )
    url = settings.store if isinstance(settings.store, str) else ""
    path = getattr(binding.store, "path", None)
    if url == "sqlite" and isinstance(path, Path):
        yield from _file_findings(path)
    elif "://" in url:
        yield from _redis_findings(url, binding.store)
    yield from _round_trip(binding.store)


def _file_findings(path: Path) -> Iterator[Finding]:
    kind = file_system_of(path)
    if kind is not None and _NETWORK.fullmatch(kind):
        yield _problem(
            f"{path} is on a file system of another machine ({kind}), where SQLite does not work. "
            "Take Redis, or an instance folder on a disk of this one.",
        )
    elif kind in _FORGETFUL:
        yield _warning(
            f"{path} is on a file system that is gone with this machine or container ({kind}), and "
            "with it what was revoked. Take an instance folder on a volume, or Redis.",
        )
    else:
        yield _ok(
            f"SQLite, for all processes of this machine ({path}). Several machines need Redis.",
        )


def file_system_of(path: Path, mounts: Path = Path("/proc/mounts")) -> str | None:
    """What the kernel calls the file system that ``path`` is on; None where nobody says."""
    try:
        lines = mounts.read_text(errors="replace").splitlines()
    except OSError:
        return None
    real = os.path.realpath(path)
    found: tuple[int, str] | None = None
    for line in lines:
        fields = line.split(" ")
        if len(fields) < 3:
            continue
        where = fields[1].replace("\\040", " ").rstrip("/")
        # Of two at one place the later one hides the other.
        if f"{real}/".startswith(f"{where}/") and (found is None or len(where) >= found[0]):
            found = len(where), fields[2]
    return None if found is None else found[1]


def _redis_findings(url: str, store: Store) -> Iterator[Finding]:
    parts = urlsplit(url)
    is_local = parts.scheme == "unix" or all(map(_is_loopback, _hosts(parts.netloc)))
    if is_local:
        yield _ok("Redis on this machine. Other machines need a Redis that they all reach.")
    elif parts.scheme.startswith("rediss"):
        yield _ok("Redis over TLS, for all machines")
    else:
        yield _warning(
            "Redis without TLS on another machine: whoever is on that network can end sessions, "
            "and bring ended ones back. Take rediss://.",
        )
    if not is_local and parts.password is None and "password=" not in parts.query:
        yield _warning("Redis without a password on another machine.")
    policy = getattr(store, "eviction_policy", lambda: None)
    try:
        name = policy()
    except StoreUnavailable:
        return  # which the round trip tells
    if name not in (None, "noeviction"):
        yield _problem(
            f"Redis forgets entries when it is full (maxmemory-policy is {name}), and with them "
            "what was revoked. Set it to noeviction.",
        )


def _hosts(netloc: str) -> list[str]:
    """Of a URL of one server, or of several sentinels."""
    return [
        match[1].strip("[]").lower()
        for match in _SENTINEL_HOST.finditer(netloc.rpartition("@")[2])
        if match[0]
    ]


def _is_loopback(host: str) -> bool:
    # Without a host redis-py goes to this machine.
    if host in ("", "localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _round_trip(store: Store) -> Iterator[Finding]:
    try:
        refuse_as_root(store)
    except click.ClickException as error:
        yield _warning(f"not tried: {error.message}")
        return
    key, value = entry_name(secrets.token_bytes(16), "check"), b"check"
    started = time.perf_counter()
    try:
        store.put(key, value, 60)
        found = store.get_many([key])
        store.delete(key)
    except StoreUnavailable as error:
        yield _problem(f"it cannot be used: {error}")
        return
    except Exception as error:  # of a store of the application's own
        yield _problem(
            f"it raised {type(error).__name__}; a store raises StoreUnavailable and nothing else.",
        )
        return
    took = (time.perf_counter() - started) * 1000
    if found != [value]:
        yield _problem("what is written is not there a moment later: a replica that lags?")
    else:
        yield _ok(f"written, read and deleted in {took:.1f} ms")


def _ok(text: str) -> Finding:
    return Finding(Level.OK, "Store", text)


def _warning(text: str) -> Finding:
    return Finding(Level.WARNING, "Store", text)


def _problem(text: str) -> Finding:
    return Finding(Level.PROBLEM, "Store", text)
