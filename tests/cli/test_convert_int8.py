"""``edgepose convert --precision int8`` as it is typed."""

import json

import edgepose
from edgepose.figures import render_figure


def test_official_weights_become_an_int8_bundle_out_of_the_box(reference, type_command, tmp_path, monkeypatch):
    monkeypatch.setenv("EDGEPOSE_CACHE", str(tmp_path / "cache"))
    made = tmp_path / "rt-lite.edgepose"
    words = ("convert", "--variant", "RT_LITE", "--target", "raspberry-pi-4", "--precision", "int8", "-o", made)
    typed = type_command(*words)
    assert typed.code == 0, typed.err
    assert "rendered figures" in typed.err
    assert "every operator" in typed.out
    assert "held out of 'demo'" in typed.out
    with edgepose.load(made) as estimator:
        assert estimator.manifest.engine.input.dtype == "int8"
        figure = render_figure(5)
        distance = abs(estimator(figure.image).keypoints - figure.keypoints).max(axis=1)
    assert (distance <= 0.5 * figure.head_length).mean() > 0.8

    again = type_command(*words, "--json")
    document = json.loads(again.out)
    assert [stage["cached"] for stage in document["stages"] if stage["name"] in ("calibrate", "lower")] == [True, True]
    assert "held out of 'demo'" in type_command("inspect", made).out
