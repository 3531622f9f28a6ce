"""Commands on a bundle: convert, inspect, evaluate, bench and run, each as a user types it."""

import json
import signal
import subprocess
import sys

import cv2
import numpy as np
import pytest
import torch

from edgepose.checkpoints import save_safetensors
from edgepose.figures import render_figure
from edgepose.network.efficientpose import EfficientPose
from edgepose.network.variants import get_variant
from edgepose.runtime.joints import JOINTS


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    torch.manual_seed(2)
    path = tmp_path_factory.mktemp("checkpoint") / "random.safetensors"
    save_safetensors(EfficientPose(get_variant("RT_LITE")).eval(), path)
    return path


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def bundle(type_command, checkpoint, cache, monkeypatch, tmp_path):
    monkeypatch.setenv("EDGEPOSE_CACHE", str(cache))
    path = tmp_path / "rt.edgepose"
    words = ("convert", "--variant", "rt-lite", "--target", "host", "--checkpoint", checkpoint, "--output", path)
    typed = type_command(*words)
    assert typed.code == 0, typed.err
    assert "INFO" not in typed.err
    for text in ("export", "simplify", "lower", f"edgepose run {path}"):
        assert text in typed.out
    return path


@pytest.fixture
def labelled(tmp_path):
    """Two figures in the edgepose annotations format."""
    records = []
    for seed in (4, 12):
        figure = render_figure(seed, 200)
        cv2.imwrite(str(tmp_path / f"{seed}.png"), figure.image)
        x, y, width, _ = figure.region
        records.append(
            {
                "id": str(seed),
                "source": "figures",
                "image": f"{seed}.png",
                "crop": [x, y, width],
                "keypoints": (figure.keypoints - 0.5).tolist(),
                "evaluate": [True] * 16,
                "head": float(figure.head_length),
                "upright": seed == 4,
            }
        )
    path = tmp_path / "annotations.json"
    path.write_text(json.dumps({"joints": list(JOINTS), "records": records}))
    return path


def test_inspect_shows_what_the_json_holds(type_command, bundle):
    manifest = json.loads(type_command("inspect", bundle, "--json").out)
    shown = type_command("inspect", bundle).out
    assert manifest["variant"] == "RT_LITE"
    assert manifest["provenance"]["source"]["sha256"][:16] in shown
    for gate in manifest["measured"]["gates"]:
        assert gate.replace("_", " ") in shown


def test_evaluate_measures_every_person_or_the_upright(type_command, bundle, labelled):
    results = json.loads(type_command("evaluate", bundle, "--dataset", labelled, "--json").out)["results"]
    everyone = results["all"]
    assert [(results[part]["persons"], results[part]["joints"]) for part in results] == [(2, 32), (1, 16), (1, 16)]
    assert 0 <= everyone["pckh10"]["total"] <= everyone["pckh50"]["total"] <= 100
    upright = type_command("evaluate", bundle, "--dataset", labelled, "--subset", "upright").out
    assert "1, 16" in upright
    assert all(joint in upright for joint in JOINTS)


def test_the_float_model_that_the_cache_holds_is_the_reference(type_command, bundle, labelled):
    words = ("evaluate", bundle, "--dataset", labelled, "--min-agreement", "90", "--json")
    typed = type_command(*words)
    assert typed.code == 0, typed.err
    document = json.loads(typed.out)
    assert document["conditions"]["reference"]["bundle"] == "float-reference"
    assert document["results"]["all"]["drift"]["within_0.5_head"]["joints"] == 32


def test_bench_keeps_every_sample(type_command, bundle):
    report = json.loads(type_command("bench", bundle, "--seconds", "0.1", "--threads", "1", "--json").out)
    assert report["kind"] == "measured"
    assert report["engine"]["threads"] == 1
    samples = report["samples_ms"]["total"]
    assert report["latency_ms"]["total"]["samples"] == len(samples) > 0
    assert min(samples) <= report["latency_ms"]["total"]["p50"] <= max(samples)
    assert "p99" in type_command("bench", bundle, "--seconds", "0.1").out


def test_run_writes_what_it_says(type_command, bundle, labelled, tmp_path):
    words = ("run", bundle, tmp_path / "4.png", "--overlay", tmp_path / "o.png", "--json", tmp_path / "o.json")
    typed = type_command(*words)
    assert typed.code == 0
    assert "1 frame: " in typed.err
    drawn, picture = cv2.imread(str(tmp_path / "o.png")), cv2.imread(str(tmp_path / "4.png"))
    assert np.any(drawn != picture)
    assert json.loads((tmp_path / "o.json").read_text())


def test_run_reads_a_region_and_refuses_half_a_one(type_command, bundle, labelled, tmp_path):
    words = ("run", bundle, tmp_path / "4.png", "--region", "10,20,100,150", "--min-score=-1e9", "--json", "-")
    line = json.loads(type_command(*words).out)
    xs = [joint["x"] for joint in line["joints"].values()]
    assert 10 <= min(xs) <= max(xs) <= 110
    assert type_command("run", bundle, tmp_path / "4.png", "--region", "10,20").code == 2


def test_a_wrong_variant_is_named(type_command, checkpoint, cache, monkeypatch, tmp_path):
    monkeypatch.setenv("EDGEPOSE_CACHE", str(cache))
    words = ("convert", "--variant", "I_LITE", "--target", "host", "--checkpoint", checkpoint)
    typed = type_command(*words, "--output", tmp_path / "i.edgepose")
    assert typed.code == 1
    assert "RT_LITE" in typed.err
    assert list(tmp_path.iterdir()) == []


def test_check_agrees_with_the_float_model(type_command, bundle):
    report = json.loads(type_command("check", bundle, "--json").out)
    assert report["passed"]
    assert report["joints"] == 64
    assert type_command("check", bundle).out.startswith("agrees: ")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129)])
def test_a_run_that_is_stopped_leaves_no_file(bundle, tmp_path, number, code):
    video = cv2.VideoWriter(str(tmp_path / "long.avi"), cv2.VideoWriter_fourcc(*"MJPG"), 25, (64, 64))
    for _ in range(4000):
        video.write(np.zeros((64, 64, 3), np.uint8))
    video.release()
    folder = tmp_path / "written"
    folder.mkdir()
    words = ["run", str(bundle), str(tmp_path / "long.avi"), "--json", str(folder / "poses.jsonl"), "--threads", "1"]
    process = subprocess.Popen([sys.executable, "-m", "edgepose", *words], stderr=subprocess.PIPE, text=True)
    while process.poll() is None and not list(folder.iterdir()):
        pass  # until it has begun to write
    process.send_signal(number)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == code, stderr
    assert "nothing was left half-written" in stderr
    assert list(folder.iterdir()) == []
