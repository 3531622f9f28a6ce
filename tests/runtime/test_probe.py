import json

import numpy as np
import pytest
from tiny_bundles import probe_members, squares, tiny_bundle

from edgepose.runtime.bundle import Bundle
from edgepose.runtime.errors import BundleError
from edgepose.runtime.joints import JOINTS
from edgepose.runtime.probe import check_probe, read_probe

FRAME = squares(64, 64)
# What the tiny engine finds in FRAME: the centres of its squares, half a network pixel towards the origin.
FOUND = np.array([(23, 23), (23, 39), (39, 23)], dtype=float)[np.arange(16) % 3]


def bundle_with(write_bundle, members, engine="onnx"):
    return Bundle.open(write_bundle(tiny_bundle(engine, probe=members)))


def changed(**fields):
    members = probe_members(FOUND, FRAME)
    document = json.loads(members["probe/poses.json"].decode())
    document["crops"][0].update(fields)
    members["probe/poses.json"] = json.dumps(document).encode()
    return members


def test_reads_crops_and_joints(write_bundle):
    truth = np.zeros((16, 2)).tolist()
    probe = read_probe(bundle_with(write_bundle, changed(truth=truth, head=9.5)))
    assert probe.decoder == "official"
    (crop,) = probe.crops
    np.testing.assert_array_equal(crop.image, FRAME)
    np.testing.assert_array_equal(crop.keypoints, FOUND)
    np.testing.assert_array_equal(crop.truth, truth)
    assert crop.head == 9.5
    assert len(crop.scores) == len(JOINTS)


def test_an_engine_that_finds_the_joints_passes(engine, write_bundle):
    report = check_probe(bundle_with(write_bundle, probe_members(FOUND, FRAME), engine))
    assert (report.joints, report.agreeing) == (16, 16)
    assert report.passed
    assert report.worst_pixels < 1e-3
    assert report.summary.startswith("16 of 16 joints within 0.1 head")


def test_the_head_is_the_measure(any_engine, write_bundle):
    """Joints 2 pixels off agree where a head has 21 pixels, not where it has 19."""
    moved = (FOUND + (2, 0)).tolist()
    for head, agreeing in ((21.0, 16), (19.0, 0)):
        report = check_probe(bundle_with(write_bundle, changed(keypoints=moved, head=head), any_engine))
        assert report.agreeing == agreeing
        assert report.passed == (agreeing == 16)
        np.testing.assert_allclose(report.mean_pixels, 2, atol=1e-3)


def test_one_joint_in_sixteen_is_too_many_for_a_float_engine(any_engine, write_bundle):
    moved = FOUND.copy()
    moved[3] += 30
    report = check_probe(bundle_with(write_bundle, changed(keypoints=moved.tolist()), any_engine))
    assert report.agreeing == 15
    assert not report.passed


@pytest.mark.parametrize(
    "fields",
    [
        {"member": "probe/99.png"},
        {"member": "engine.onnx"},
        {"member": 7},
        {"keypoints": [[0, 0]] * 15},
        {"keypoints": [[0, 0]] * 15 + [[0, None]]},
        {"keypoints": "far away"},
        {"scores": [1e39] * 16},
        {"head": -1},
        {"head": "large"},
        {"truth": []},
    ],
)
def test_a_probe_that_cannot_be_is_refused(fields, write_bundle):
    with pytest.raises(BundleError):
        read_probe(bundle_with(write_bundle, changed(**fields)))


@pytest.mark.parametrize(
    "document", [b"", b"[]", b"{}", b'{"decoder": "official", "crops": []}', b'{"decoder": "argmax", "crops": [{}]}']
)
def test_a_document_that_is_no_probe_is_refused(document, write_bundle):
    with pytest.raises(BundleError, match="is not a probe"):
        read_probe(bundle_with(write_bundle, {"probe/poses.json": document}))


def test_a_bundle_without_a_probe_says_so(write_bundle):
    with pytest.raises(BundleError, match=r"no member 'probe/poses\.json'"):
        read_probe(bundle_with(write_bundle, {}))
