"""Real ``redis-server`` processes on loopback: alone, as a replica, behind a sentinel, with TLS."""

from __future__ import annotations

import ipaddress
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from redis import Redis
from redis.exceptions import RedisError

from .tools import require_tool

#: Seconds until a process must have come up, gone away, or be in the state that is waited for.
DEADLINE = 60.0
#: Below the ports that a system gives to clients: none of those takes the port of a stopped server.
_PORTS = range(20_000, 32_000)
_TRIES = 20
SERVICE = "jwtsession-test"


class _Process(ABC):
    """``with … as running`` starts and stops it. It has a folder of its own, and stays on its port
    when it is started again.
    """

    def __init__(self, *, password: str | None = None) -> None:
        self._binary = require_tool(
            "redis-server", shutil.which("redis-server"), "apt-get install redis-server"
        )
        self.password = password
        self.port = 0
        self._running: subprocess.Popen[bytes] | None = None
        self._clients: list[Any] = []

    def __enter__(self) -> Self:
        self.folder = Path(tempfile.mkdtemp(prefix="jwtsession-redis-"))
        try:
            self._start_on_a_free_port()
        except BaseException:
            self._tidy_up()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._tidy_up()

    def start(self) -> None:
        """Start it again, on the same port; what it had in memory is gone."""
        log = self.folder / "log"
        with log.open("wb") as output:
            self._running = subprocess.Popen(
                [self._binary, *self._arguments()],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        wait_until(lambda: self._ended() or self._answers(), "it answers")
        if self._ended():
            raise RuntimeError(f"redis-server did not start: {log.read_text(errors='replace')}")

    def stop(self) -> None:
        """End the process; connections to it are refused until it is started again."""
        running, self._running = self._running, None
        if running is None:
            return
        # SIGKILL ends a frozen process, too, and there is nothing to be saved.
        running.kill()
        running.wait(DEADLINE)

    def freeze(self) -> None:
        """Let it take connections and answer nothing, as a machine that is overloaded does."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        self.freeze()
        try:
            yield
        finally:
            self.thaw()

    def client(self, **options: Any) -> Any:
        """A client of redis-py, to look at what is there; closed with the server."""
        client: Any = Redis(**{**self._way_in(), "socket_timeout": DEADLINE, **options})
        self._clients.append(client)
        return client

    @abstractmethod
    def _arguments(self) -> list[str]: ...

    @abstractmethod
    def _way_in(self) -> dict[str, Any]: ...

    def _start_on_a_free_port(self) -> None:
        for _ in range(_TRIES):
            self.port = _free_port()
            try:
                self.start()
            except RuntimeError as error:
                # Somebody else took it in this moment.
                if "already in use" not in str(error):
                    raise
            else:
                return
        raise RuntimeError("no free port")

    def _answers(self) -> bool:
        client: Any = Redis(**self._way_in(), socket_timeout=1.0)
        try:
            return bool(client.ping())
        except (RedisError, OSError):
            return False
        finally:
            client.close()

    def _ended(self) -> bool:
        return self._running is None or self._running.poll() is not None

    def _signal(self, number: int) -> None:
        assert self._running is not None, "it does not run"
        self._running.send_signal(number)

    def _tidy_up(self) -> None:
        for client in self._clients:
            client.close()
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


class RedisServer(_Process):
    """A server without persistence.

    :param password: of its user ``default``
    :param tls: serve TLS on its port, and plain connections on the Unix socket only
    :param replica_of: a server that runs
    :param options: more arguments, such as ``["--maxmemory", "2mb"]``
    """

    def __init__(
        self,
        *,
        password: str | None = None,
        tls: bool = False,
        replica_of: RedisServer | None = None,
        options: Sequence[str] = (),
    ) -> None:
        super().__init__(password=password)
        self.tls = tls
        self._options = list(options)
        if replica_of is not None:
            self._options += ["--replicaof", "127.0.0.1", str(replica_of.port)]
            if replica_of.password:
                self._options += ["--masterauth", replica_of.password]

    @property
    def socket(self) -> Path:
        return self.folder / "redis.sock"

    @property
    def certificate(self) -> Path:
        """Of the authority that signed the server's certificate, which is for 127.0.0.1."""
        return self.folder / "authority.pem"

    def url(self, database: int | None = None) -> str:
        """Where it is, with its password, as `RedisStore` takes it."""
        path = "" if database is None else f"/{database}"
        options = f"?ssl_ca_certs={self.certificate}" if self.tls else ""
        scheme = "rediss" if self.tls else "redis"
        return f"{scheme}://{_user(self.password)}127.0.0.1:{self.port}{path}{options}"

    @property
    def unix_url(self) -> str:
        return f"unix://{_user(self.password)}{self.socket}"

    def role(self) -> str:
        """``master`` or ``slave``."""
        return str(self.client().info("replication")["role"])

    def calls(self) -> dict[str, int]:
        """How often each command was called, by name in lower case, since `forget_calls`."""
        statistics: dict[str, dict[str, int]] = self.client().info("commandstats")
        return {
            name.removeprefix("cmdstat_"): numbers["calls"] for name, numbers in statistics.items()
        }

    def forget_calls(self) -> None:
        self.client().config_resetstat()

    def _arguments(self) -> list[str]:
        arguments = ["--bind", "127.0.0.1", "--dir", str(self.folder), "--save", ""]
        arguments += ["--appendonly", "no", "--unixsocket", str(self.socket)]
        # A replica copies at once what its master has; that it waits is for many replicas.
        arguments += ["--repl-diskless-sync-delay", "0"]
        if self.tls:
            key, certificate = self.folder / "server.key", self.folder / "server.pem"
            if not key.exists():
                _make_certificates(self.certificate, key, certificate)
            arguments += ["--port", "0", "--tls-port", str(self.port), "--tls-auth-clients", "no"]
            arguments += ["--tls-cert-file", str(certificate), "--tls-key-file", str(key)]
            arguments += ["--tls-ca-cert-file", str(self.certificate)]
        else:
            arguments += ["--port", str(self.port)]
        if self.password:
            arguments += ["--requirepass", self.password, "--masterauth", self.password]
        return arguments + self._options

    def _way_in(self) -> dict[str, Any]:
        return {"unix_socket_path": str(self.socket), "password": self.password}


class RedisSentinel(_Process):
    """A sentinel that watches ``master`` under the name `SERVICE`; alone, it may fail it over.

    :param password: of the sentinel itself
    """

    def __init__(self, master: RedisServer, *, password: str | None = None) -> None:
        super().__init__(password=password)
        self._master = master

    def url(self, database: int | None = None) -> str:
        """Where it is, with both passwords, as `RedisStore` takes it."""
        path = "" if database is None else f"/{database}"
        options = f"?sentinel_password={quote(self.password, safe='')}" if self.password else ""
        user = _user(self._master.password)
        return f"redis+sentinel://{user}127.0.0.1:{self.port}/{SERVICE}{path}{options}"

    def start(self) -> None:
        super().start()
        # Milliseconds. As it is, it takes ten seconds to see a replica, and to tell it.
        for period in ("info-period", "publish-period"):
            self.client().execute_command("SENTINEL", "DEBUG", period, "100")

    def wait_for_replica(self) -> None:
        """Wait until this sentinel knows of a replica that could be made the master."""
        sentinel = self.client()

        def is_ready() -> bool:
            replicas: list[dict[str, Any]] = sentinel.sentinel_slaves(SERVICE)
            return any(replica["master-link-status"] == "ok" for replica in replicas)

        wait_until(is_ready, "there is a replica")

    def fail_over(self, replica: RedisServer) -> None:
        """Make ``replica`` the master, and wait until the former master is its replica."""
        self.wait_for_replica()
        self.client().sentinel_failover(SERVICE)
        self.wait_for_master(replica)
        # Until then it takes writes, which are lost.
        wait_until(lambda: self._master.role() == "slave", "the former master is a replica")

    def wait_for_master(self, server: RedisServer) -> None:
        """Wait until ``server`` is the master, and this sentinel says so."""
        sentinel = self.client()
        wait_until(
            lambda: (
                sentinel.sentinel_get_master_addr_by_name(SERVICE)[1] == server.port
                and server.role() == "master"
            ),
            "the replica is the master",
        )

    def _arguments(self) -> list[str]:
        lines = [
            f"port {self.port}",
            "bind 127.0.0.1",
            f"dir {self.folder}",
            f"sentinel monitor {SERVICE} 127.0.0.1 {self._master.port} 1",
            f"sentinel down-after-milliseconds {SERVICE} 500",
            f"sentinel failover-timeout {SERVICE} 2000",
        ]
        if self.password:
            lines.append(f"requirepass {_quoted(self.password)}")
        if self._master.password:
            lines.append(f"sentinel auth-pass {SERVICE} {_quoted(self._master.password)}")
        # It keeps its state in this file, too.
        configuration = self.folder / "sentinel.conf"
        configuration.write_text("\n".join(lines) + "\n")
        return [str(configuration), "--sentinel"]

    def _way_in(self) -> dict[str, Any]:
        return {"host": "127.0.0.1", "port": self.port, "password": self.password}


def wait_until(is_so: Callable[[], bool], what: str) -> None:
    """Look again and again: other processes tell nobody when they are ready."""
    give_up = time.monotonic() + DEADLINE
    while not is_so():
        assert time.monotonic() < give_up, f"not in {DEADLINE:.0f} s: {what}"
        time.sleep(0.01)


def _user(password: str | None) -> str:
    return f":{quote(password, safe='')}@" if password else ""


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _free_port() -> int:
    while True:
        port = random.choice(_PORTS)  # noqa: S311 - nobody is to be surprised by it
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def _make_certificates(authority: Path, key: Path, certificate: Path) -> None:
    """An authority, and a certificate for 127.0.0.1 that it has signed, good for an hour."""
    authority_key, server_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "jwtsession tests")])
    now = datetime.now(UTC)

    def builder(subject: x509.Name, public: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(name)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(hours=1))
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()),
                critical=False,
            )
        )

    signs_certificates = x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
    of_authority = (
        builder(name, authority_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(signs_certificates, critical=True)
        .sign(authority_key, SHA256())
    )
    address = x509.IPAddress(ipaddress.IPv4Address("127.0.0.1"))
    of_server = (
        builder(
            x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")]),
            server_key.public_key(),
        )
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(authority_key, SHA256())
    )
    authority.write_bytes(of_authority.public_bytes(Encoding.PEM))
    certificate.write_bytes(of_server.public_bytes(Encoding.PEM))
    key.write_bytes(
        server_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
    )
