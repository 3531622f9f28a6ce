"""Crops to compare an engine with its float model on: a bundle's own probe, or a file of as many as a data set has.

Such a file is a zip of PNGs and a ``probe/poses.json`` like the one in a bundle (:mod:`edgepose.runtime.probe`), which
also says what it is made of (``source``) and for which bundle (``bundle_sha256``).
"""

import contextlib
import hashlib
import json

from edgepose.runtime.archive import open_archive
from edgepose.runtime.errors import SourceError, UsageError
from edgepose.runtime.manifest import DECODERS
from edgepose.runtime.probe import POSES_MEMBER, read_crop, read_probe

BUNDLE_PROBE = "the bundle's own probe"
KIND = "a probe set"
MAKE_AGAIN = "make it again with 'edgepose bench FILE --dataset SET'"
MAX_PERSONS = 100000
MAX_POSES_BYTES = 512 << 20
MAX_PICTURE_BYTES = 16 << 20
MAX_SET_BYTES = 16 << 30
BLOCK_BYTES = 1 << 20
_WRONG = (ValueError, KeyError, TypeError, AttributeError, RecursionError)


class ProbeSet(object):
    """An iterable of :class:`ProbeCrop`, read one at a time: they need not all fit into memory.

    ``source``: what it is made of, ``decoder``: what found the float model's joints, ``labelled``: whether any true
    joint is known, ``sha256``: of the file that it is; None for a bundle's own.
    """

    def __init__(self, source, decoder, labelled, count, read, sha256=None):
        self.source = source
        self.decoder = decoder
        self.labelled = labelled
        self.sha256 = sha256
        self._count = count
        self._read = read

    def __len__(self):
        return self._count

    def __iter__(self):
        return (self._read(number) for number in range(self._count))

    def first(self, count):
        """A list of the first ``count`` crops, or of all where there are fewer."""
        return [self._read(number) for number in range(min(count, self._count))]


@contextlib.contextmanager
def open_probe(bundle, path=None):
    """Yield the :class:`ProbeSet` at ``path``; the own probe of ``bundle`` where that is None.

    Raises :class:`BundleError` for a bundle without a probe, :class:`SourceError` for a file that is no probe set, and
    :class:`UsageError` for one that was made for another bundle.
    """
    if path is None:
        probe = read_probe(bundle)
        labelled = any(crop.truth is not None for crop in probe.crops)
        yield ProbeSet(BUNDLE_PROBE, probe.decoder, labelled, len(probe.crops), probe.crops.__getitem__)
        return
    with open_archive(path, KIND, MAX_SET_BYTES, SourceError, MAKE_AGAIN) as archive:
        try:
            document = json.loads(archive.read(POSES_MEMBER, MAX_POSES_BYTES).decode("utf-8"))
            source, decoder, crops = document["source"], document["decoder"], document["crops"]
            made_for = document["bundle_sha256"]
            if decoder not in DECODERS or not 1 <= len(crops) <= MAX_PERSONS or not isinstance(source, str):
                raise ValueError("decoder {!r}, {} crops".format(decoder, len(crops)))
            labelled = any(crop["truth"] is not None for crop in crops)
        except _WRONG as error:
            raise SourceError("{} is not a probe set: {}".format(path, error), MAKE_AGAIN)
        if made_for != bundle.sha256:
            raise UsageError("{} was made for another bundle than {}".format(path, bundle.path), MAKE_AGAIN)

        def read(number):
            try:
                return read_crop(lambda member: archive.read(member, MAX_PICTURE_BYTES), crops[number])
            except _WRONG as error:
                raise SourceError("{} is damaged: crop {}: {}".format(path, number, error), MAKE_AGAIN)

        yield ProbeSet(source, decoder, labelled, len(crops), read, sha256_of(path))


def sha256_of(path):
    """Digest of the file at ``path``, which may be larger than memory, in hexadecimal."""
    digest = hashlib.sha256()
    with open(str(path), "rb") as file:
        for block in iter(lambda: file.read(BLOCK_BYTES), b""):
            digest.update(block)
    return digest.hexdigest()
