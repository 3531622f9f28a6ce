"""The ``.edgepose`` bundle: one zip that holds the engine, its manifest, a probe, and the code that runs them.

Python can run the file itself (``python3 FILE.edgepose run photo.jpg``); :class:`Bundle` opens it as data, executes
nothing from it, and checks every member against the SHA-256 in the manifest; the manifest itself is covered by the
zip's own CRC-32, and its SHA-256 is the bundle's identity. The archive has no comment: Python 3.6 and 3.7 do not run
archives that have one.
"""

import hashlib
import io
import os
import stat
import zipfile
import zlib

from edgepose.runtime.errors import BundleError
from edgepose.runtime.manifest import MAX_MANIFEST_BYTES, MAX_MEMBER_BYTES, Manifest

MANIFEST = "manifest.json"
MAX_BUNDLE_BYTES = 2 * MAX_MEMBER_BYTES
COPY_AGAIN = "copy the file again; if it is still refused, convert again"


class Bundle(object):
    """An opened and verified bundle: ``path``, ``manifest`` (:class:`Manifest`) and ``sha256`` of the manifest."""

    def __init__(self, path, manifest, sha256, members):
        self.path = path
        self.manifest = manifest
        self.sha256 = sha256
        self._members = members

    @classmethod
    def open(cls, path):
        """Read and verify ``path``. Raises :class:`BundleError` for anything that is not a whole, known bundle."""
        path = os.fspath(path)
        try:
            # Asked before opening: a pipe would wait for its writer.
            if not stat.S_ISREG(os.stat(path).st_mode) and not os.path.isdir(path):
                raise BundleError("{} is not a regular file".format(path), "name the .edgepose file")
            with io.open(path, "rb") as file:
                size = os.fstat(file.fileno()).st_size
                if size > MAX_BUNDLE_BYTES:
                    raise BundleError("{} has {} bytes; no bundle is that large".format(path, size))
                with zipfile.ZipFile(file) as archive:
                    return cls._from_archive(path, archive)
        except FileNotFoundError:
            raise BundleError("there is no file {}".format(path), "check the path")
        except IsADirectoryError:
            raise BundleError("{} is a folder, not a bundle".format(path), "name the .edgepose file")
        except zipfile.BadZipFile:
            raise BundleError(
                "{} is not an edgepose bundle, or is cut short or damaged".format(path),
                "make one with 'edgepose convert', or copy it again",
            )
        # The many ways in which a damaged zip fails inside the standard library.
        except (EOFError, NotImplementedError, RuntimeError, UnicodeDecodeError, ValueError, zlib.error) as error:
            raise BundleError("{} is damaged: {}".format(path, error), COPY_AGAIN)
        except OSError as error:
            raise BundleError("cannot read {}: {}".format(path, error.strerror or error), "check the path and rights")

    @classmethod
    def _from_archive(cls, path, archive):
        entries = {}
        for entry in archive.infolist():
            if entry.filename in entries:
                raise BundleError("{} holds {!r} twice".format(path, entry.filename), COPY_AGAIN)
            entries[entry.filename] = entry
        if MANIFEST not in entries:
            raise BundleError("{} has no {}: it is not an edgepose bundle".format(path, MANIFEST))
        manifest_bytes = _read(path, archive, entries[MANIFEST], MAX_MANIFEST_BYTES)
        sha256 = hashlib.sha256(manifest_bytes).hexdigest()
        manifest = Manifest.from_bytes(manifest_bytes)
        strangers = sorted(set(entries) - set(manifest.members) - {MANIFEST})
        if strangers:
            raise BundleError("{} holds {!r}, which its manifest does not list".format(path, strangers[0]), COPY_AGAIN)
        members = {}
        for name, spec in sorted(manifest.members.items()):
            if name not in entries:
                raise BundleError("{} lacks its member {!r}".format(path, name), COPY_AGAIN)
            data = _read(path, archive, entries[name], spec.bytes)
            if len(data) != spec.bytes or hashlib.sha256(data).hexdigest() != spec.sha256:
                raise BundleError("{}: member {!r} does not match its SHA-256".format(path, name), COPY_AGAIN)
            members[name] = data
        return cls(path, manifest, sha256, members)

    def read(self, member):
        """The bytes of ``member``. Raises :class:`BundleError` where the bundle has none of that name."""
        try:
            return self._members[member]
        except KeyError:
            raise BundleError("{} has no member {!r}".format(self.path, member))

    def engine_bytes(self):
        """The bytes of the engine file."""
        return self.read(self.manifest.engine.member)


def _read(path, archive, entry, limit):
    if entry.file_size > limit:
        raise BundleError(
            "{}: member {!r} claims {} bytes where at most {} can be".format(
                path, entry.filename, entry.file_size, limit
            ),
            COPY_AGAIN,
        )
    # Bounded by what the manifest allows, whatever the zip header claims.
    with archive.open(entry) as member:
        return member.read(limit + 1)
