import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from benchmarks.peer_models import BLAZEPOSE, LIMB_JOINTS, MOVENET, PeerModel
from benchmarks.peers import PERSONS, Contestant, _add_figures, print_table, run_interleaved
from benchmarks.results import Report
from edgepose.conversion.lower_onnx_to_tflite.tflite_writer import TfliteWriter
from edgepose.evaluation.datasets import open_dataset
from edgepose.runtime.joints import JOINTS

# COCO's and MediaPipe's numbers of the limb joints, in the order of LIMB_JOINTS.
COCO = (5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16)
MEDIAPIPE = (11, 12, 13, 14, 15, 16, 23, 24, 25, 26, 27, 28)


def tiny_peer(path, side, shape, answers, of_red):
    """A TFLite file of ``side`` whose answer is ``answers`` and ``of_red`` times the mean of the red channel."""
    writer = TfliteWriter()
    image = writer.add_activation("image", (1, side, side, 3))
    mean = writer.add_activation("mean", (1, 3))
    writer.add_operator(
        schema.BuiltinOperator.MEAN, 1, [image, writer.add_constant("axes", np.array([1, 2], np.int32))], [mean],
        schema.ReducerOptionsT(),
    )  # fmt: skip
    weights = np.zeros((answers.size, 3), np.float32)
    weights[:, 0] = of_red.ravel()
    flat = writer.add_activation("flat", (1, answers.size))
    writer.add_operator(
        schema.BuiltinOperator.FULLY_CONNECTED,
        1,
        [
            mean,
            writer.add_constant("weights", weights),
            writer.add_constant("bias", answers.ravel().astype(np.float32)),
        ],
        [flat],
        schema.FullyConnectedOptionsT(),
    )
    output = flat
    if len(shape) > 2:
        output = writer.add_activation("output", shape)
        sides = writer.add_constant("sides", np.array(shape, np.int32))
        writer.add_operator(schema.BuiltinOperator.RESHAPE, 1, [flat, sides], [output], schema.ReshapeOptionsT())
    path.write_bytes(writer.to_bytes([image], [output]))
    return path


@pytest.fixture
def movenet(tmp_path):
    """Joint n of COCO at (n / 20, 0.5), further right by a hundredth of the input for each unit of red."""
    answers = np.array([[0.5, number / 20, 1.0] for number in range(17)])
    of_red = np.array([[0.0, 0.01, 0.0]] * 17)
    return PeerModel(tiny_peer(tmp_path / "movenet.tflite", 192, (1, 1, 17, 3), answers, of_red), 1)


@pytest.fixture
def blazepose(tmp_path):
    """Joint n of MediaPipe at pixel (5 n, 128) of 256, lower by ten pixels where all is red."""
    answers = np.array([[5.0 * number, 128.0, 0.0, 1.0, 1.0] for number in range(39)])
    of_red = np.array([[0.0, 10.0, 0.0, 0.0, 0.0]] * 39)
    return PeerModel(tiny_peer(tmp_path / "pose.tflite", 256, (1, 195), answers, of_red), 1)


def limbs(points):
    return {name: tuple(np.round(points[JOINTS.index(name)].astype(float), 2).tolist()) for name in LIMB_JOINTS}


def test_movenet_answers_in_shares_of_the_letterboxed_picture(movenet):
    assert movenet.family == MOVENET
    black = np.zeros((96, 192, 3), np.uint8)
    expected = {name: (round(192 * number / 20, 2), 48.0) for name, number in zip(LIMB_JOINTS, COCO, strict=True)}
    assert limbs(movenet(black)) == expected
    assert np.isnan(movenet(black)[JOINTS.index("head_top")]).all()


def test_movenet_is_given_bytes_in_rgb(movenet):
    frame = np.zeros((192, 192, 3), np.uint8)
    frame[..., 2] = 10  # red, of BGR
    moved = movenet(frame) - movenet(np.zeros_like(frame))
    assert moved[JOINTS.index("left_knee")] == pytest.approx([0.1 * 192, 0.0], abs=0.01)


def test_blazepose_answers_in_pixels_of_its_input(blazepose):
    assert blazepose.family == BLAZEPOSE
    assert blazepose.crop_scale == 1.25
    black = np.zeros((512, 512, 3), np.uint8)
    expected = {name: (10.0 * number, 256.0) for name, number in zip(LIMB_JOINTS, MEDIAPIPE, strict=True)}
    assert limbs(blazepose(black)) == expected
    red = black.copy()
    red[..., 2] = 255
    moved = blazepose(red) - blazepose(black)
    assert moved[JOINTS.index("right_hip")] == pytest.approx([0.0, 20.0], abs=0.01)


def test_a_file_of_neither_family_is_refused_with_what_it_is(tmp_path):
    path = tiny_peer(tmp_path / "other.tflite", 192, (1, 30), np.zeros(30), np.zeros(30))
    with pytest.raises(SystemExit, match=r"gives \[\(1, 30\)\], which is neither a MoveNet"):
        PeerModel(path, 1)


def test_everybody_looks_at_every_person_and_the_table_has_a_line_for_each(reference, movenet, blazepose, capsys):
    records = [one for one in open_dataset(reference / "data" / "lspet-dev").records if one.upright][:3]
    truth = iter([])
    order = []

    def knows_all(_):
        return next(truth)

    contestants = [
        Contestant("official RT", lambda frame: (order.append("official RT"), np.full((16, 2), 1e6))[1]),
        Contestant("MoveNet tiny", lambda frame: (order.append("MoveNet"), movenet(frame))[1], movenet.crop_scale),
        Contestant("BlazePose tiny", lambda frame: (order.append("BlazePose"), blazepose(frame))[1], 1.25),
        Contestant("oracle", lambda frame: (order.append("oracle"), knows_all(frame))[1]),
    ]
    offsets = [(one.region or (0, 0))[:2] for one in records]
    answers = [one.keypoints - offset for one, offset in zip(records, offsets, strict=True)]
    truth = iter([answers[0]] * 3 + answers)  # the warm-up looks at the first
    samples, found = run_interleaved(contestants, records)
    assert {len(one) for one in samples.values()} == {3}
    # In turn, and the other way round for the next person.
    assert order[-4:] == ["official RT", "MoveNet", "BlazePose", "oracle"]
    assert order[-8:-4] == order[-4:][::-1]
    report = Report("peers", "Peers", "")
    _add_figures(report, samples, found, records)
    figures = {figure.name: figure.value for figure in report.figures}
    assert figures["oracle: PCKh@10"] == 100.0
    assert figures["official RT: PCKh@50"] == 0.0
    assert figures["official RT: times as fast as official RT"] == 1.0
    assert PERSONS == 600
    print_table(report)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0] for line in lines[1:]] == [one.name for one in contestants]
