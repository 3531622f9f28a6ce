import hashlib
import io
import json
import zipfile

import cv2
import numpy as np
import pytest
from tiny_bundles import squares

from edgepose.bench.measure import DEFAULT_SETTINGS
from edgepose.runtime.bench_record import bench_bundle
from edgepose.runtime.bundle import Bundle
from edgepose.runtime.errors import SourceError, UsageError
from edgepose.runtime.probe_set import BUNDLE_PROBE, open_probe

FOUND = [(23, 23), (23, 39), (39, 23)]
JOINTS_FOUND = [list(FOUND[joint % 3]) for joint in range(16)]


def set_bytes(bundle_sha256, count=3, picture=None, **fields):
    """A probe set of one crop, ``count`` times; ``fields`` replace those of its document."""
    entry = {
        "member": "crops/0.png",
        "keypoints": JOINTS_FOUND,
        "scores": [1.0] * 16,
        "truth": [[None, None]] + JOINTS_FOUND[1:],
        "head": 10.0,
    }
    document = {"source": "a set", "decoder": "official", "bundle_sha256": bundle_sha256, "crops": [entry] * count}
    document.update(fields)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("probe/poses.json", json.dumps(document))
        archive.writestr("crops/0.png", picture or cv2.imencode(".png", squares(64, 64))[1].tobytes())
    return buffer.getvalue()


@pytest.fixture
def bundle(bundle_path):
    return Bundle.open(bundle_path)


@pytest.fixture
def write_set(tmp_path):
    def write(data):
        path = tmp_path / "set.zip"
        path.write_bytes(data)
        return str(path)

    return write


def test_without_a_path_it_is_the_bundles_own(bundle):
    with open_probe(bundle) as probe:
        assert probe.source == BUNDLE_PROBE
        assert len(probe) == len(list(probe)) == len(probe.first(9)) == 1
        assert probe.labelled is False


def test_a_set_is_read_crop_by_crop(bundle, write_set):
    with open_probe(bundle, write_set(set_bytes(bundle.sha256))) as probe:
        assert (probe.source, probe.decoder, probe.labelled, len(probe)) == ("a set", "official", True, 3)
        first, *_ = probe
        assert first.image.shape == (64, 64, 3)
        assert np.isnan(first.truth[0]).all()
        assert len(probe.first(2)) == 2


def test_drift_is_measured_on_the_set(bundle, write_set):
    path = write_set(set_bytes(bundle.sha256, count=5))
    told = []
    record = bench_bundle(
        bundle.path,
        threads=1,
        settings=DEFAULT_SETTINGS._replace(min_duration_s=0.0),
        probe=path,
        progress=lambda *words: told.append(words),
    )
    drift = record["drift"]
    assert (drift["source"], drift["persons"], drift["pckh50"]["joints"]) == ("a set", 5, 75)
    assert drift["pckh50"]["total"] == 100.0
    with open(path, "rb") as file:
        assert drift["set_sha256"] == hashlib.sha256(file.read()).hexdigest()
    # The persons of a data set are not the record's to pass on.
    assert drift["crops"] == []
    assert ("drift", 5, 5) in told


def test_a_set_of_another_bundle_is_refused(bundle, write_set):
    with pytest.raises(UsageError, match="another bundle"), open_probe(bundle, write_set(set_bytes("0" * 64))):
        pass


@pytest.mark.parametrize(
    "fields",
    [
        {"decoder": "mine"},
        {"crops": []},
        {"crops": 7},
        {"crops": [{"truth": None}, 5]},
        {"source": None},
    ],
)
def test_what_is_no_set_is_refused(fields, bundle, write_set):
    with pytest.raises(SourceError, match="is not a probe set"):
        with open_probe(bundle, write_set(set_bytes(bundle.sha256, **fields))) as probe:
            list(probe)


@pytest.mark.parametrize("cut", [0, 10, 200])
def test_a_damaged_file_is_refused(cut, bundle, write_set):
    data = set_bytes(bundle.sha256)
    with pytest.raises(SourceError):
        with open_probe(bundle, write_set(data[:cut])):
            pass
    with pytest.raises(SourceError, match="crop 0"):
        with open_probe(bundle, write_set(set_bytes(bundle.sha256, picture=b"no picture"))) as probe:
            list(probe)
