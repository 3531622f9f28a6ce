"""The ``.edgepose`` bundle: one zip that holds the engine, its manifest, a probe, and the code that runs them.

Python can run the file itself (``python3 FILE.edgepose run photo.jpg``); :class:`Bundle` opens it as data, executes
nothing from it, and checks every member against the SHA-256 in the manifest; the manifest itself is covered by the
zip's own CRC-32, and its SHA-256 is the bundle's identity. What the zip says around them has to be what was written,
to the bit. The archive has no comment: Python 3.6 and 3.7 do not run archives that have one.
"""

import hashlib
import os

from edgepose.runtime.archive import open_archive
from edgepose.runtime.errors import BundleError
from edgepose.runtime.manifest import MAX_MANIFEST_BYTES, MAX_MEMBER_BYTES, Manifest

MANIFEST = "manifest.json"
MAX_BUNDLE_BYTES = 2 * MAX_MEMBER_BYTES
COPY_AGAIN = "copy the file again; if it is still refused, make it again with 'edgepose convert'"


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
        with open_archive(path, "an edgepose bundle", MAX_BUNDLE_BYTES, BundleError, COPY_AGAIN) as archive:
            return cls._from_archive(path, archive)

    @classmethod
    def _from_archive(cls, path, archive):
        if MANIFEST not in archive.names:
            raise BundleError("{} has no {}: it is not an edgepose bundle".format(path, MANIFEST))
        manifest_bytes = archive.read(MANIFEST, MAX_MANIFEST_BYTES)
        sha256 = hashlib.sha256(manifest_bytes).hexdigest()
        manifest = Manifest.from_bytes(manifest_bytes)
        strangers = sorted(archive.names - set(manifest.members) - {MANIFEST})
        if strangers:
            raise BundleError("{} holds {!r}, which its manifest does not list".format(path, strangers[0]), COPY_AGAIN)
        members = {}
        for name, spec in sorted(manifest.members.items()):
            data = archive.read(name, spec.bytes)
            if len(data) != spec.bytes or hashlib.sha256(data).hexdigest() != spec.sha256:
                raise BundleError("{}: member {!r} does not match its SHA-256".format(path, name), COPY_AGAIN)
            members[name] = data
        archive.require_sealed()
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

    def cpu_engine_bytes(self):
        """The bytes of the engine that computes the same on the CPU; of the engine itself where there is no other."""
        return self.read(self.manifest.engine.cpu_member or self.manifest.engine.member)
