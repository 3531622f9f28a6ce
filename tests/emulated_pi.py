"""A Raspberry Pi's processor under QEMU's user mode: a Python of Debian for arm64 with its libraries, in one folder.

Nothing is installed and nothing needs root: packages are downloaded and unpacked. QEMU shows the host's
``/proc/cpuinfo``, which makes XNNPACK take the processor for another than it is and crash; a file inside the emulated
root takes its place.
"""

import hashlib
import os
import shutil
import subprocess
import tempfile
import zipfile
from pathlib import Path

import platformdirs
import pytest

QEMU = shutil.which("qemu-aarch64-static") or shutil.which("qemu-aarch64")
DEBIAN = ["python3.11-minimal", "libpython3.11-stdlib", "libstdc++6", "libgomp1"]
WHEELS = ["numpy", "opencv-python-headless", "ai-edge-litert"]
PLATFORMS = ["manylinux_2_28_aarch64", "manylinux_2_27_aarch64", "manylinux2014_aarch64"]
CPU_INFO = """processor\t: 0
BogoMIPS\t: 108.00
Features\t: fp asimd evtstrm crc32 cpuid
CPU implementer\t: 0x41
CPU architecture: 8
CPU variant\t: 0x0
CPU part\t: 0xd08
CPU revision\t: 3
"""
BUILD_SECONDS = 600


def emulated_python(pip):
    """Path of a program that is a Pi 4's ``python3``, run by QEMU; the test is skipped where it cannot be made.

    ``pip``: a Python whose pip downloads the libraries.
    """
    if QEMU is None:
        pytest.skip("no qemu-aarch64 here: apt-get install qemu-user-static")
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        pytest.skip("no apt-get here, which downloads the emulated Pi's Python")
    digest = hashlib.sha256("\n".join([QEMU, *DEBIAN, *WHEELS, CPU_INFO]).encode()).hexdigest()[:12]
    folder = _folder() / f"emulated-pi-{digest}"
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        # Built beside its place and moved there whole: an interrupted build leaves nothing that looks finished.
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".building-") as building:
            built = Path(building) / "pi"
            built.mkdir()
            _unpack_debian(Path(building), built / "root")
            _unpack_wheels(pip, Path(building), built / "site")
            if not folder.exists():
                built.rename(folder)
    program = folder / "python3"
    # Written last and every time: the folder's own path is in it.
    text = (
        f'#!/bin/sh\nexec "{QEMU}" -cpu cortex-a72 -L "{folder}/root" -E PYTHONPATH="{folder}/site" '
        f'-E OMP_NUM_THREADS=1 "{folder}/root/usr/bin/python3.11" "$@"\n'
    )
    if not program.exists() or program.read_text() != text:
        program.write_text(text)
        program.chmod(0o755)
    return str(program)


def _folder():
    named = os.environ.get("EDGEPOSE_DEVICE_PYTHONS")
    return Path(named) if named else Path(platformdirs.user_cache_dir("edgepose-device-pythons"))


def _unpack_debian(building, root):
    """The packages and all that they need, from an apt of its own that knows arm64 alone."""
    apt = building / "apt"
    for name in ("etc", "lists/partial", "cache/archives/partial"):
        (apt / name).mkdir(parents=True)
    for name in ("sources.list", "sources.list.d"):
        source = Path("/etc/apt") / name
        if source.exists():
            (shutil.copytree if source.is_dir() else shutil.copy)(source, apt / "etc" / name)
    (apt / "status").touch()
    settings = {
        "APT::Architecture": "arm64",
        "Dir::Etc": apt / "etc",
        "Dir::State": apt,
        "Dir::State::lists": apt / "lists",
        "Dir::State::status": apt / "status",
        "Dir::Cache": apt / "cache",
        "Dir::Etc::trusted": "/etc/apt/trusted.gpg",
        "Dir::Etc::trustedparts": "/etc/apt/trusted.gpg.d",
        "Debug::NoLocking": "true",
    }
    lines = [f'{name} "{value}";' for name, value in settings.items()] + ['APT::Architectures { "arm64"; };']
    (building / "apt.conf").write_text("\n".join(lines) + "\n")
    environment = dict(os.environ, APT_CONFIG=str(building / "apt.conf"))
    _run_or_skip(["apt-get", "update"], environment, "no packages for arm64 can be listed")
    install = ["apt-get", "install", "--download-only", "--yes", "--no-install-recommends", *DEBIAN]
    _run_or_skip(install, environment, "no packages for arm64 can be downloaded")
    for package in sorted((apt / "cache" / "archives").glob("*.deb")):
        _run_or_skip(["dpkg-deb", "-x", str(package), str(root)], environment, f"{package.name} cannot be unpacked")
    (root / "proc").mkdir(exist_ok=True)
    (root / "proc" / "cpuinfo").write_text(CPU_INFO)


def _unpack_wheels(pip, building, site):
    platforms = [word for platform in PLATFORMS for word in ("--platform", platform)]
    command = [pip, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--only-binary=:all:"]
    command += ["--python-version", "3.11", *platforms, "--dest", str(building / "wheels"), *WHEELS]
    _run_or_skip(command, None, f"not all of {', '.join(WHEELS)} can be downloaded for arm64")
    for wheel in (building / "wheels").glob("*.whl"):
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(site)


def _run_or_skip(command, environment, reason):
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=BUILD_SECONDS)
    if done.returncode != 0:
        last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
        pytest.skip(f"{reason}: {' '.join(last)}")
