"""The picture of the peers, made of a record as the benchmark writes it."""

import re
from pathlib import Path

import numpy as np

from benchmarks.peers import _add_figures
from benchmarks.peers_plot import draw_peers
from benchmarks.results import Report
from edgepose.evaluation.datasets import PersonRecord


def test_every_contestant_is_named_in_both_panels(tmp_path):
    records = [_person(number) for number in range(6)]
    found = {
        "official RT": np.stack([one.keypoints for one in records]) + 1,
        "edgepose RT int8": np.stack([one.keypoints for one in records]),
        "MoveNet lightning-int8": np.stack([one.keypoints for one in records]) + 40,
    }
    samples = {"official RT": [40.0] * 6, "edgepose RT int8": [8.0] * 6, "MoveNet lightning-int8": [5.0] * 6}
    report = Report("peers", "Peers", "")
    _add_figures(report, samples, found, records)
    assert draw_peers(tmp_path, tmp_path) == []
    report.write(tmp_path)
    (path,) = draw_peers(tmp_path, tmp_path)
    drawn = path.read_bytes()
    comments = re.findall(r"<!-- (.*?) -->", drawn.decode())
    for words in ("RT", "RT int8", "MoveNet lightning-int8"):
        assert comments.count(words) == 2, words
    draw_peers(tmp_path, tmp_path)
    assert path.read_bytes() == drawn


def _person(number):
    generator = np.random.Generator(np.random.PCG64(number))
    keypoints = generator.uniform(10, 90, (16, 2))
    return PersonRecord(
        id=f"person {number}",
        image=Path("none.jpg"),
        region=None,
        keypoints=keypoints,
        evaluate=np.ones(16, bool),
        head_length=20.0,
        upright=True,
        source="lspet",
    )
