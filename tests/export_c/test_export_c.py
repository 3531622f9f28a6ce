"""The C door: what it writes compiles everywhere, and finds the Python half's joints to the bit."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

import edgepose
from edgepose.conversion.bundle_writer import bundle_bytes
from edgepose.conversion.manifest_writer import manifest_document
from edgepose.export_c import export_c
from edgepose.figures import render_figure
from edgepose.network.variants import get_variant
from edgepose.runtime.bundle import Bundle
from edgepose.runtime.decoder import HeatmapDecoder
from edgepose.runtime.errors import BundleError, EdgeposeError, UsageError
from edgepose.runtime.joints import JOINTS
from edgepose.runtime.preprocess import Preprocessor

STRICT = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", "-ffp-contract=off"]
SANITIZERS = ["-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
LIBRARY = ["edgepose_decoder.c", "edgepose_preprocess.c", "edgepose_tables.c"]
SCALE, ZERO_POINT = 0.0025, -124
CELLS = 28  # of RT
# Compilers, and what runs what they make.
COMPILERS = {
    "gcc": (["gcc", "-O2"], []),
    "sanitizers": (["gcc", *SANITIZERS], []),
    "aarch64": (["aarch64-linux-gnu-gcc", "-O2", "-static"], ["qemu-aarch64-static"]),
}


def document(precision="fp32", engine_format="tflite", upsampling=8):
    """A manifest of RT without its members."""
    steps = {"input_steps": (2 / 255, -1), "output_steps": (SCALE, ZERO_POINT)} if precision == "int8" else {}
    return manifest_document(
        name=f"rt-host-{precision}",
        variant=get_variant("RT"),
        target="host",
        precision=precision,
        engine_format=engine_format,
        upsampling=upsampling,
        macs=1,
        provenance={},
        measured={},
        **steps,
    )


def write_bundle(folder, precision="fp32", engine_format="tflite", upsampling=8):
    """A bundle of RT's shape; nothing here runs its engine."""
    path = folder / f"{precision}-{engine_format}-{upsampling}.edgepose"
    contents = {f"engine.{engine_format}": b"the engine"}
    path.write_bytes(bundle_bytes(document(precision, engine_format, upsampling), contents))
    return path


def compiled(sources, compiler="gcc", main="decode_maps.c", extra=()):
    """Path of a program made of the exported ``sources``, and the words that run it."""
    command, runner = COMPILERS[compiler]
    for tool in (command[0], *runner):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    program = sources / f"{Path(main).stem}-{compiler}"
    files = [str(sources / name) for name in LIBRARY]
    words = [*command, *STRICT, f"-I{sources}", str(sources / main), *files, *extra, "-lm", "-o", str(program)]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [*runner, str(program)]


def decode_in_c(words, heatmaps):
    """[n, 16, 3] float32: what the program ``words`` prints for ``heatmaps``."""
    done = subprocess.run(words, input=np.ascontiguousarray(heatmaps).tobytes(), capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    return np.array([line.split() for line in done.stdout.decode().splitlines()], np.float32).reshape(-1, 16, 3)


def decode_in_python(heatmaps, sigma=1.0, upsampling=8):
    decoder = HeatmapDecoder(heatmaps.shape[1], heatmaps.shape[2], upsampling, sigma)
    answers = []
    for one in heatmaps:
        if one.dtype == np.int8:
            peaks, scores = decoder.decode(one.astype(np.int16) - np.int16(ZERO_POINT))
            scores = scores * np.float32(SCALE)
        else:
            peaks, scores = decoder.decode(one)
        answers.append(np.column_stack([peaks, scores]))
    return np.array(answers, np.float32)


def quantised(heatmaps):
    return np.clip(np.round(heatmaps / SCALE) + ZERO_POINT, -128, 127).astype(np.int8)


def assert_same_joints(found, expected):
    """The same pixels; scores to the rounding of float32.

    Which channels of a map that no network makes are settled in float64, and which in float32, is each half's own.
    """
    assert np.array_equal(found[..., :2], expected[..., :2])
    assert found[..., 2] == pytest.approx(expected[..., 2], rel=5e-7)


@pytest.fixture(scope="module")
def dev_heatmaps(reference, tmp_path_factory):
    """Float32 [805, 28, 28, 16]: what the official RT computes of the annotated crops."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(reference / "weights" / "tflite" / "EfficientPoseRT.tflite"), num_threads=1)
    interpreter.allocate_tensors()
    given = interpreter.get_input_details()[0]["index"]
    # This official file puts out the heatmaps before their upsampling beside those after it.
    wanted = next(one["index"] for one in interpreter.get_output_details() if list(one["shape"]) == [1, 28, 28, 16])
    folder = reference / "data" / "lspet-dev"
    preprocessor = Preprocessor(Bundle.open(write_bundle(tmp_path_factory.mktemp("bundle"))).manifest)
    heatmaps = []
    for record in json.loads((folder / "annotations.json").read_text())["records"]:
        x, y, side = record["crop"]
        tensor, _ = preprocessor.prepare(cv2.imread(str(folder / record["image"])), region=(x, y, side, side))
        interpreter.set_tensor(given, tensor)
        interpreter.invoke()
        heatmaps.append(interpreter.get_tensor(wanted)[0])
    assert len(heatmaps) == 805
    return np.array(heatmaps)


@pytest.mark.parametrize("decoder", ["official", "realtime"])
@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_every_joint_of_the_dev_crops_is_the_python_halfs(dev_heatmaps, tmp_path, precision, decoder):
    export_c(write_bundle(tmp_path, precision), tmp_path / "c", decoder)
    heatmaps = quantised(dev_heatmaps) if precision == "int8" else dev_heatmaps
    expected = decode_in_python(heatmaps, sigma=1.0 if decoder == "official" else 0.0)
    found = decode_in_c(compiled(tmp_path / "c"), heatmaps)
    if precision == "int8":  # searched as integers: bit for bit
        assert np.array_equal(found, expected)
    else:
        assert np.abs(found[..., :2] - expected[..., :2]).max() <= 1e-4
        assert found[..., 2] == pytest.approx(expected[..., 2], rel=1e-6)


@pytest.mark.parametrize("compiler", ["sanitizers", "aarch64"])
@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_the_same_under_sanitizers_and_on_another_processor(dev_heatmaps, tmp_path, precision, compiler):
    export_c(write_bundle(tmp_path, precision), tmp_path / "c")
    heatmaps = dev_heatmaps[::8]
    heatmaps = quantised(heatmaps) if precision == "int8" else heatmaps
    found = decode_in_c(compiled(tmp_path / "c", compiler), heatmaps)
    assert np.array_equal(found, decode_in_python(heatmaps))


def random_heatmaps(rng, precision):
    """Maps that no network makes: flat, tied, negative, tiny, huge, noise, and peaks on every border."""
    shape = (CELLS, CELLS, 16)
    peaks = np.zeros(shape)
    for joint in range(16):
        for _ in range(3):
            peaks[rng.integers(CELLS), rng.integers(CELLS), joint] = rng.random()
    corners = np.zeros(shape)
    corners[0, 0] = corners[-1, -1] = corners[0, -1] = corners[-1, 0] = 0.3
    plateau = np.zeros(shape)
    y, x = rng.integers(CELLS - 2, size=2)
    plateau[y : y + 2, x : x + 2] = 0.25
    maps = [
        rng.standard_normal(shape),
        rng.random(shape) * 0.01,
        np.full(shape, rng.standard_normal()),
        np.zeros(shape),
    ]
    maps += [-rng.random(shape), np.round(rng.random(shape) * 3) / 10, peaks, corners, plateau, 0.2 + peaks * 1e-7]
    if precision == "int8":
        return quantised(np.array(maps))
    return np.array([*maps, rng.random(shape) * 1e30, rng.random(shape) * 1e-30], np.float32)


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_random_maps_under_the_sanitizers(tmp_path, precision):
    export_c(write_bundle(tmp_path, precision), tmp_path / "c")
    rng = np.random.default_rng(8)
    heatmaps = np.concatenate([random_heatmaps(rng, precision) for _ in range(2)])
    found = decode_in_c(compiled(tmp_path / "c", "sanitizers"), heatmaps)
    assert_same_joints(found, decode_in_python(heatmaps))


def test_an_engine_that_upsamples_by_itself_is_decoded_too(tmp_path):
    export_c(write_bundle(tmp_path, upsampling=1), tmp_path / "c")
    heatmaps = np.random.default_rng(1).random((2, 224, 224, 16), np.float32)
    found = decode_in_c(compiled(tmp_path / "c"), heatmaps)
    assert_same_joints(found, decode_in_python(heatmaps, upsampling=1))


def test_planar_engines_are_decoded_too(tmp_path):
    exported = export_c(write_bundle(tmp_path, engine_format="onnx"), tmp_path / "c")
    assert exported.engine == "engine.onnx"
    heatmaps = random_heatmaps(np.random.default_rng(2), "fp32")
    found = decode_in_c(compiled(tmp_path / "c"), heatmaps.transpose(0, 3, 1, 2))
    assert_same_joints(found, decode_in_python(heatmaps))


def test_values_that_are_not_finite_and_half_a_tensor_are_errors(tmp_path):
    export_c(write_bundle(tmp_path), tmp_path / "c")
    program = compiled(tmp_path / "c", "sanitizers")
    heatmaps = np.zeros((2, CELLS, CELLS, 16), np.float32)
    heatmaps[0, 3, 4, 5] = np.nan
    heatmaps[1, 0, 0, 0] = np.inf
    done = subprocess.run(program, input=heatmaps.tobytes(), capture_output=True)
    assert done.stdout.split() == [b"error", b"-1"] * 2
    done = subprocess.run(program, input=heatmaps.tobytes()[:-5], capture_output=True)
    assert done.returncode == 1
    assert b"does not end with a whole tensor" in done.stderr


PREPROCESS = r"""
#include <stdio.h>
#include <stdlib.h>
#include "edgepose_preprocess.h"
static edgepose_input tensor[EDGEPOSE_INPUT_SIDE * EDGEPOSE_INPUT_SIDE * 3];
int main(void)
{
    int width, height, given, status;
    edgepose_region region;
    while (fread(&width, sizeof width, 1, stdin) == 1 && fread(&height, sizeof height, 1, stdin) == 1 &&
           fread(&given, sizeof given, 1, stdin) == 1 && fread(&region, sizeof region, 1, stdin) == 1) {
        uint8_t *pixels = malloc((size_t)width * (size_t)height * 3);
        edgepose_frame frame = {NULL, 0, 0, 0, 3, 2, 1, 0};
        edgepose_transform transform;
        edgepose_joint joints[EDGEPOSE_JOINTS];
        int joint;
        if (pixels == NULL || fread(pixels, 3, (size_t)width * (size_t)height, stdin) != (size_t)width * (size_t)height)
            return 1;
        frame.pixels = pixels;
        frame.width = width;
        frame.height = height;
        frame.row_bytes = (size_t)width * 3;
        status = edgepose_prepare(&frame, given ? &region : NULL, tensor, &transform);
        fwrite(&status, sizeof status, 1, stdout);
        if (status == EDGEPOSE_OK) {
            for (joint = 0; joint < EDGEPOSE_JOINTS; joint++)
                joints[joint].x = joints[joint].y = joints[joint].score = (float)(14 * joint) + 0.5f;
            edgepose_to_frame(&transform, joints);
            fwrite(tensor, sizeof tensor, 1, stdout);
            fwrite(joints, sizeof joints, 1, stdout);
        }
        free(pixels);
    }
    return 0;
}
"""


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_preprocessing_places_as_the_python_half_does_and_resizes_nearly_so(tmp_path, precision):
    path = write_bundle(tmp_path, precision)
    export_c(path, tmp_path / "c")
    (tmp_path / "c" / "prepare.c").write_text(PREPROCESS)
    program = compiled(tmp_path / "c", "sanitizers", "prepare.c")
    frame = render_figure(4, (320, 240)).image
    regions = [
        None,
        (40, 20, 180.4, 201.2),
        (-60, -40, 300, 300),
        (250, 100, 140, 260),
        (100, 100, 1, 1),
        (0, 0, 320, 3),
    ]
    small, large = cv2.resize(frame, (90, 61)), cv2.resize(frame, (1500, 1100))
    cases = [(frame, region) for region in regions] + [(small, None), (large, None), (large, (11.5, 7.5, 1201, 1007))]
    request = b"".join(
        np.array([image.shape[1], image.shape[0], region is not None], np.int32).tobytes()
        + np.array(region or (0, 0, 0, 0), np.float64).tobytes()
        + image.tobytes()
        for image, region in cases
    )
    done = subprocess.run(program, input=request, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    dtype = np.dtype(np.int8 if precision == "int8" else np.float32)
    size = 224 * 224 * 3 * dtype.itemsize
    peaks = np.repeat(14.0 * np.arange(16)[:, None] + 0.5, 2, axis=1)
    preprocessor = Preprocessor(Bundle.open(path).manifest)
    answer = done.stdout
    for image, region in cases:
        assert answer[:4] == bytes(4)
        tensor = np.frombuffer(answer[4 : 4 + size], dtype).reshape(224, 224, 3).astype(float)
        joints = np.frombuffer(answer[4 + size : 4 + size + 192], np.float32).reshape(16, 3)
        answer = answer[4 + size + 192 :]
        expected, transform = preprocessor.prepare(image, region=region)
        assert np.abs(joints[:, :2] - transform.to_frame(peaks)).max() <= 1e-4
        # In grey levels: one step of int8 is one, of float32 as the table spreads them.
        step = 1.0 if precision == "int8" else np.ptp(preprocessor._tables[0]) / 255
        difference = np.abs(tensor - expected[0].astype(float)) / step
        assert np.median(difference) <= 1.01
        assert np.quantile(difference, 0.99) <= 12, (image.shape, region)
    assert answer == b""


def test_frames_and_regions_that_cannot_be_are_refused(tmp_path):
    export_c(write_bundle(tmp_path), tmp_path / "c")
    (tmp_path / "c" / "prepare.c").write_text(PREPROCESS)
    program = compiled(tmp_path / "c", "sanitizers", "prepare.c")
    regions = [(50, 0, 5, 5), (0, 0, 0, 5), (0, 0, -1, 5), (float("nan"), 0, 5, 5), (0, 0, 1e10, 5), (0, 0, 1e5, 1e5)]
    request = b"".join(
        np.array([40, 30, 1], np.int32).tobytes() + np.array(region, np.float64).tobytes() + bytes(3600)
        for region in regions
    )
    done = subprocess.run(program, input=request, capture_output=True)
    assert np.frombuffer(done.stdout, np.int32).tolist() == [-3] * len(regions), done.stderr.decode()


def test_the_sources_build_with_cmake(tmp_path):
    if shutil.which("cmake") is None:
        pytest.skip("cmake is not installed")
    export_c(write_bundle(tmp_path, "int8"), tmp_path / "c")
    for words in (["-S", tmp_path / "c", "-B", tmp_path / "build"], ["--build", tmp_path / "build"]):
        done = subprocess.run(["cmake", *map(str, words)], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    assert "warning" not in done.stdout + done.stderr
    heatmaps = random_heatmaps(np.random.default_rng(3), "int8")
    assert_same_joints(decode_in_c([str(tmp_path / "build" / "decode_maps")], heatmaps), decode_in_python(heatmaps))


def test_the_example_finds_the_pose_that_the_bundle_finds(reference, tmp_path, monkeypatch):
    """With a TFLite C library: EDGEPOSE_TFLITE_C names a folder with ``include/`` and ``libtensorflowlite_c.so``."""
    named = os.environ.get("EDGEPOSE_TFLITE_C")
    if not named:
        pytest.skip("EDGEPOSE_TFLITE_C is not set: there is no TFLite C library at hand")
    from edgepose.conversion.pipeline import ConversionRequest, convert
    from edgepose.conversion.progress import SilentProgress

    monkeypatch.setenv("EDGEPOSE_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "rt-lite.edgepose"
    convert(ConversionRequest("RT_LITE", "host", output=path), SilentProgress())
    export_c(path, tmp_path / "c")
    library = Path(named)
    extra = [f"-I{library / 'include'}", str(library / "libtensorflowlite_c.so"), f"-Wl,-rpath,{library}"]
    program = compiled(tmp_path / "c", "gcc", "find_pose.c", extra)
    figure = render_figure(4, 400)
    cv2.imwrite(str(tmp_path / "figure.ppm"), figure.image)
    with edgepose.load(path, threads=1) as estimator:
        for region in (None, (30, 10, 350, 380)):
            words = [*program, str(tmp_path / "c" / "engine.tflite"), str(tmp_path / "figure.ppm")]
            done = subprocess.run([*words, *map(str, region or ())], capture_output=True, text=True)
            assert done.returncode == 0, done.stderr
            rows = [line.split() for line in done.stdout.splitlines()]
            assert [row[0] for row in rows] == list(JOINTS)
            found = np.array([[float(number) for number in row[1:3]] for row in rows])
            distances = np.linalg.norm(found - estimator(figure.image, region=region).keypoints, axis=1)
            assert np.median(distances) <= 0.02 * figure.head_length
            assert (distances <= 0.1 * figure.head_length).mean() >= 0.8


def test_what_is_exported_is_named_and_replaces_only_itself(tmp_path):
    path = write_bundle(tmp_path, "int8")
    folder = tmp_path / "c"
    folder.mkdir()
    (folder / "mine.c").write_text("mine")
    exported = export_c(path, folder)
    assert export_c(path, folder) == exported
    assert (folder / "mine.c").read_text() == "mine"
    assert sorted(one.name for one in folder.iterdir()) == sorted([*exported.files, "mine.c"])
    assert (folder / "engine.tflite").read_bytes() == b"the engine"
    header = (folder / "edgepose_model.h").read_text()
    for words in ("EDGEPOSE_HEATMAP_ZERO_POINT (-124)", "EDGEPOSE_INPUT_SIDE 224", Bundle.open(path).sha256):
        assert words in header


def test_all_files_are_written_or_none(tmp_path):
    path = write_bundle(tmp_path)
    folder = tmp_path / "c"
    (folder / "edgepose_tables.c").mkdir(parents=True)  # comes after the engine
    with pytest.raises(EdgeposeError, match="it is a folder"):
        export_c(path, folder)
    assert [one.name for one in folder.iterdir()] == ["edgepose_tables.c"]


def test_a_full_disk_leaves_no_folder(tmp_path):
    limited = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000));"
        "from edgepose.export_c import export_c; export_c(*sys.argv[1:])"
    )
    words = [sys.executable, "-c", limited, str(write_bundle(tmp_path)), str(tmp_path / "c")]
    ended = subprocess.run(words, capture_output=True, text=True)
    assert "cannot write" in ended.stderr
    assert not (tmp_path / "c").exists()


def test_refusals(tmp_path):
    path = write_bundle(tmp_path)
    with pytest.raises(UsageError, match="no decoder 'oficial'; did you mean 'official'"):
        export_c(path, tmp_path / "c", "oficial")
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="is a file"):
        export_c(path, tmp_path / "file")
    (tmp_path / "none.edgepose").write_bytes(path.read_bytes()[:500])
    with pytest.raises(BundleError):
        export_c(tmp_path / "none.edgepose", tmp_path / "c")
    assert not (tmp_path / "c").exists()
