import numpy as np
import pytest
from tiny_bundles import DTYPES, squares, tiny_bundle

import edgepose
from edgepose.runtime.bundle import Bundle
from edgepose.runtime.errors import BundleError, EngineError, SourceError, UsageError
from edgepose.runtime.estimator import PoseEstimator

# The centres of the squares of `squares()` in network pixels: red, green, blue, seen by every third joint.
PLACES = np.array([(12, 12), (12, 20), (20, 12)], dtype=np.float64)[np.arange(16) % 3]


@pytest.fixture
def estimator(bundle_path):
    with edgepose.load(bundle_path, threads=1) as estimator:
        yield estimator


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("decoder", ["official", "realtime"])
def test_joints_are_where_their_colour_is(engine, dtype, decoder, write_bundle):
    """Every engine, at every precision, in a frame three times as large as the network's input."""
    path = write_bundle(tiny_bundle(engine, dtype))
    with edgepose.load(path, decoder=decoder) as estimator:
        pose = estimator(squares(96, 96))
    np.testing.assert_allclose(pose.keypoints, (PLACES - 0.5) * 3, atol=1e-3)
    assert (pose.scores > 0.4).all()
    assert (pose.scores <= 1).all()


def test_precisions_agree_on_scores(any_engine, write_bundle):
    real, quantised = (
        edgepose.load(write_bundle(tiny_bundle(any_engine, dtype), dtype))(squares()).scores for dtype in DTYPES
    )
    np.testing.assert_allclose(real, quantised, atol=0.01)


def test_joints_are_in_pixels_of_the_frame_whatever_the_region(estimator):
    frame = np.zeros((200, 300, 3), dtype=np.uint8)
    frame[40:104, 130:194] = squares(64, 64)
    pose = estimator(frame, region=(130, 40, 64, 64))
    np.testing.assert_allclose(pose.keypoints, (PLACES - 0.5) * 2 + (130, 40), atol=1e-3)
    # The same region, reaching out of the frame on the right.
    frame = np.ascontiguousarray(frame[:, :190])
    np.testing.assert_allclose(
        estimator(frame, region=(130, 40, 64, 64)).keypoints,
        np.minimum((PLACES - 0.5) * 2 + (130, 40), (190, 200)),
        atol=1e-3,
    )


def test_several_regions_give_several_poses(estimator):
    frame = np.zeros((64, 160, 3), dtype=np.uint8)
    frame[:, :64] = squares(64, 64)
    frame[:, 96:] = squares(64, 64)
    regions = [(0, 0, 64, 64), (96, 0, 64, 64)]
    poses = estimator.predict_regions(frame, regions)
    assert poses == [estimator(frame, region=region) for region in regions]
    np.testing.assert_allclose(poses[1].keypoints - poses[0].keypoints, np.tile([96.0, 0.0], (16, 1)))
    assert estimator.predict_regions(frame, []) == []


def test_color_orders_and_grey(estimator):
    frame = squares(64, 64)
    assert estimator(np.ascontiguousarray(frame[:, :, ::-1]), color="rgb") == estimator(frame)
    grey = np.zeros((64, 64), dtype=np.uint8)
    grey[16:32, 32:48] = 200
    np.testing.assert_allclose(estimator(grey).keypoints, np.tile([40.0, 24.0], (16, 1)), atol=1.001)


def test_poses_do_not_change_with_the_next_frame(estimator):
    pose = estimator(squares(64, 64))
    keypoints, scores = pose.keypoints.copy(), pose.scores.copy()
    estimator(squares(100, 40, red=(20, 20)))
    np.testing.assert_array_equal(pose.keypoints, keypoints)
    np.testing.assert_array_equal(pose.scores, scores)


def test_timings_are_of_the_last_call(estimator):
    assert estimator.timings is None
    estimator(squares(64, 64))
    assert all(seconds > 0 for seconds in estimator.timings)
    before = estimator.timings
    estimator(squares(64, 64))
    assert estimator.timings is not before


def test_frames_that_cannot_be_are_refused_and_the_next_one_works(estimator):
    with pytest.raises(SourceError):
        estimator(None)
    with pytest.raises(SourceError):
        estimator(np.zeros((4, 4, 3), dtype=np.uint16))
    estimator(squares())


def test_a_closed_estimator_refuses_frames(bundle_path):
    estimator = edgepose.load(bundle_path)
    estimator.close()
    with pytest.raises(EngineError, match="closed"):
        estimator(squares())


@pytest.mark.parametrize("threads", [0, -1, 2.5, True, "2", 100000])
def test_threads_that_cannot_be_are_refused(bundle_path, threads):
    with pytest.raises(UsageError, match="number of threads"):
        edgepose.load(bundle_path, threads=threads)


def test_an_unknown_decoder_is_refused(bundle_path):
    with pytest.raises(UsageError, match="did you mean 'realtime'") as caught:
        PoseEstimator(Bundle.open(bundle_path), decoder="real-time")
    assert "official" in caught.value.hint


def test_what_is_no_bundle_is_refused(tmp_path):
    with pytest.raises(BundleError, match="there is no file"):
        edgepose.load(str(tmp_path / "missing.edgepose"))


def test_a_second_thread_is_refused(any_engine, write_bundle):
    import threading

    with edgepose.load(write_bundle(tiny_bundle(any_engine))) as estimator:
        with estimator._in_use:  # as a call in another thread would hold it
            refusals = []

            def call():
                try:
                    estimator(squares())
                except edgepose.EdgeposeError as error:
                    refusals.append(error)

            thread = threading.Thread(target=call)
            thread.start()
            thread.join()
        (refusal,) = refusals
        assert "in use by another thread" in str(refusal)
        estimator(squares())
