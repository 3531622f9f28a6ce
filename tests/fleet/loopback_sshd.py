"""An SSH server of the test's own on this machine, with keys of its own; no service of the system is touched."""

import contextlib
import getpass
import os
import resource
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest

SSHD = shutil.which("sshd") or shutil.which("/usr/sbin/sshd")


@contextlib.contextmanager
def loopback_sshd(folder, host, largest_file=None, lines=()):
    """Yield the path of an ssh client configuration that calls the server ``host``.

    ``largest_file``: bytes that whoever logs in may write to a file; ``lines`` are added to the server's configuration.
    """
    if SSHD is None or shutil.which("ssh") is None or shutil.which("ssh-keygen") is None:
        pytest.skip("no OpenSSH server here: apt-get install openssh-server")
    folder.mkdir()
    for name in ("host_key", "user_key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True)
    port = _free_port()
    server = [
        f"Port {port}",
        "ListenAddress 127.0.0.1",
        f"HostKey {folder / 'host_key'}",
        f"AuthorizedKeysFile {folder / 'user_key.pub'}",
        "PidFile none",
        "StrictModes no",
        "UsePAM no",
        "PasswordAuthentication no",
        "PermitRootLogin prohibit-password",
        "LogLevel ERROR",
        *lines,
    ]
    (folder / "server").write_text("\n".join(server) + "\n")
    client = [
        f"Host {host}",
        "  HostName 127.0.0.1",
        f"  Port {port}",
        f"  User {getpass.getuser()}",
        f"  IdentityFile {folder / 'user_key'}",
        "  IdentitiesOnly yes",
        f"  UserKnownHostsFile {folder / 'known_hosts'}",
        "  StrictHostKeyChecking accept-new",
        "  LogLevel ERROR",
    ]
    (folder / "client").write_text("\n".join(client) + "\n")
    checked = subprocess.run([SSHD, "-t", "-f", str(folder / "server")], capture_output=True, text=True)
    if checked.returncode != 0:
        pytest.skip(f"the OpenSSH server does not start here: {checked.stderr.strip()}")

    def limit():
        if largest_file is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file))

    process = subprocess.Popen(
        [SSHD, "-D", "-e", "-f", str(folder / "server")], stderr=subprocess.DEVNULL, preexec_fn=limit
    )
    try:
        _wait_for(lambda: _answers(port), "the server does not answer")
        yield folder / "client"
    finally:
        process.terminate()
        process.wait()


def wait_until_empty(folder):
    """Wait, at most twenty seconds, until nothing that a bench brought is left in ``folder``."""
    _wait_for(lambda: not list(Path(folder).glob(".edgepose-bench.*")), f"something is left in {folder}")


def shell_of_the_bench(folder):
    """Process number of the shell that runs the one bench in ``folder``."""
    (work,) = Path(folder).glob(".edgepose-bench.*")
    return int((work / "pid").read_text())


def parent_of(process):
    """Process number of the parent of ``process``."""
    status = Path(f"/proc/{process}/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("PPid:")))


def children_of(process):
    """Process numbers of the children of ``process``."""
    return [int(one) for one in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def _wait_for(condition, problem):
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, problem
        time.sleep(0.05)


def _free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def _answers(port):
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False


def executable(path, text):
    """Write a program."""
    path.write_text(text)
    os.chmod(path, 0o755)
    return str(path)
