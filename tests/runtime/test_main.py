import io
import json
import os
import subprocess
import sys
import zipfile

import cv2
import pytest
from tiny_bundles import manifest_document, probe_members, seal, squares, tiny_bundle

import edgepose
from edgepose.runtime import run
from edgepose.runtime.main import main

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(edgepose.__file__)))


@pytest.fixture
def command(bundle_path, in_folder, capfd):
    """``command("run", "a.png")`` -> (exit code, standard output, standard error)."""
    cv2.imwrite("a.png", squares(64, 64))

    def run_main(*arguments):
        code = main(list(arguments), bundle_path=bundle_path)
        out, err = capfd.readouterr()
        assert "Traceback" not in err
        return code, out, err

    return run_main


def test_run(command):
    code, out, _ = command("run", "a.png", "--json", "-", "--overlay", "o.png", "--csv", "o.csv", "--threads", "1")
    assert code == 0
    assert json.loads(out)["joints"]["head_top"]["x"] == 23.0
    assert os.path.exists("o.png")
    assert os.path.exists("o.csv")


def test_run_with_its_options(command):
    arguments = (
        "run",
        "a.png",
        "--decoder",
        "realtime",
        "--region",
        "0,0,64,48.5",
        "--min-score",
        "0.99",
        "--json",
        "-",
    )
    code, out, _ = command(*arguments)
    assert code == 0
    record = json.loads(out)
    assert record["region"] == [0, 0, 64, 48.5]
    assert set(record["joints"].values()) == {None}


def test_info(command):
    code, out, _ = command("info")
    assert code == 0
    assert "tiny-host-fp32" in out
    assert "image, 1 x 3" in out or "image, 1 x 32" in out
    code, out, _ = command("info", "--json")
    assert code == 0
    assert json.loads(out)["decoder"]["upsampling"] == 8
    assert len(json.loads(out)["manifest_sha256"]) == 64


def test_check(command):
    code, out, _ = command("check")
    assert code == 0
    assert out.startswith("agrees: 16 of 16 joints")


def test_a_check_that_does_not_hold_is_exit_code_3(any_engine, write_bundle, capsys):
    path = write_bundle(tiny_bundle(any_engine, probe=probe_members([(1, 1)] * 16, squares(64, 64))))
    assert main(["check"], bundle_path=path) == 3
    assert capsys.readouterr().out.startswith("DOES NOT AGREE: 0 of 16")


def test_bench(command):
    code, out, _ = command("bench", "--seconds", "0", "--threads", "1", "--json", "b.json")
    assert code == 0
    assert "p50" in out
    assert "decode" in out
    with open("b.json") as file:
        report = json.load(file)
    assert report["schema"] == 2
    assert len(report["samples_ms"]["total"]) == report["latency_ms"]["engine"]["samples"] >= 20
    code, out, _ = command("bench", "--seconds", "0", "--json", "-")
    assert json.loads(out)["bundle"]["name"] == "tiny-host-fp32"


def test_a_bound_that_is_not_kept_is_exit_code_3_after_everything_is_written(command):
    code, out, err = command("bench", "--seconds", "0", "--max-p95-ms", "0", "--json", "b.json")
    assert code == 3
    assert "gate NOT HELD: p95 of the latency in ms" in out
    assert err.startswith("error: the gate does not hold: p95 of the latency in ms")
    with open("b.json") as file:
        assert json.load(file)["gate"]["held"] is False
    code, out, _ = command("bench", "--seconds", "0", "--max-p95-ms", "1000000", "--max-rss-mb", "1000000")
    assert code == 0
    assert out.count("gate held") == 2


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["run", "-h"], ["bench", "-h"]])
def test_help_is_exit_code_0(arguments, command):
    code, out, _ = command(*arguments)
    assert code == 0
    assert out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "arguments are required"),
        (["rnu", "a.png"], "rnu"),
        (["run"], "SOURCE"),
        (["run", "a.png", "--region", "1,2,3"], "is not X,Y,W,H"),
        (["run", "a.png", "--region", "1,2,3,x"], "is not X,Y,W,H"),
        (["run", "a.png", "--threads", "0"], "error: 0 is not a number of threads"),
        (["run", "a.png", "--decoder", "oficial"], "did you mean 'official'"),
        (["run", "a.png", "--json", "out.txt"], "error: cannot tell what to write to out.txt"),
        (["run", "a.png", "--overlay", "a.png"], "error: a.png is a source"),
        (["run", "a.png", "--json", "missing/o.json"], "error: cannot write missing/o.json: there is no folder"),
        (["run", "a.png", "--csv", "missing/o.csv"], "error: cannot write missing/o.csv: there is no folder"),
        (["run", "a.png", "--overlay", "missing/o.png"], "error: cannot write missing/o.png: there is no folder"),
        (["run", "a.png", "--json", "folder.json"], "error: cannot write folder.json: it is a folder"),
        (["bench", "--seconds", "-1"], "error: -1.0 seconds"),
        (["bench", "--soak", "0"], "error: a load of 0 minutes"),
        (["bench", "--max-drift", "1"], "has no true joints"),
    ],
)
def test_a_wrong_request_is_exit_code_2(arguments, message, command):
    os.mkdir("folder.json")
    code, out, err = command(*arguments)
    assert code == 2
    assert message in err
    assert out == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "missing.png"], "error: there is no file missing.png\nhint: check the path\n"),
        (["run", "."], "holds no image"),
        (["run", "a.png", "--region", "99,0,9,9"], "lies outside the frame of 64x64"),
    ],
)
def test_what_fails_is_exit_code_1_with_a_message(arguments, message, command):
    if arguments == ["run", "."]:
        os.mkdir("empty")
        arguments = ["run", "empty"]
    code, _, err = command(*arguments)
    assert code == 1
    assert message in err


def test_a_broken_source_among_others_is_exit_code_1_and_the_rest_is_written(command):
    with open("b.png", "wb") as file:
        file.write(b"no image")
    code, out, err = command("run", "a.png", "b.png", "--json", "-")
    assert code == 1
    assert json.loads(out)["source"] == "a.png"
    assert "error: b.png is not an image" in err


def test_a_broken_bundle_is_exit_code_1(write_bundle, capsys):
    data = bytearray(tiny_bundle())
    data[300] ^= 1
    assert main(["info"], bundle_path=write_bundle(bytes(data))) == 1
    assert capsys.readouterr().err.startswith("error: ")


def test_ctrl_c_is_exit_code_130(command, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(run, "run_sources", interrupted)
    code, _, err = command("run", "a.png")
    assert code == 130
    assert err.endswith("error: interrupted\nhint: nothing was left half-written\n")


def test_a_fault_of_our_own_is_one_line_unless_asked_for(command, monkeypatch):
    def faulty(*_, **__):
        raise ZeroDivisionError("oh")

    monkeypatch.setattr(run, "run_sources", faulty)
    monkeypatch.delenv("EDGEPOSE_DEBUG", raising=False)
    code, _, err = command("run", "a.png")
    assert code == 1
    assert "a fault in edgepose itself: ZeroDivisionError: oh" in err
    monkeypatch.setenv("EDGEPOSE_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        command("run", "a.png")


def device_sources():
    """The device half's own files, as the bundle writer puts them into a bundle."""
    main_file = "import sys\n\nfrom edgepose.runtime.main import main\n\nsys.exit(main(bundle_path=sys.path[0]))\n"
    sources = {"__main__.py": main_file.encode("ascii")}
    package = os.path.join(ROOT, "edgepose")
    for folder in (package, os.path.join(package, "runtime"), os.path.join(package, "bench")):
        for parent, _, names in (
            os.walk(folder) if folder != package else [(package, [], ["__init__.py", "version.py"])]
        ):
            for name in names:
                if name.endswith(".py"):
                    path = os.path.join(parent, name)
                    with open(path, "rb") as file:
                        sources[os.path.relpath(path, ROOT).replace(os.sep, "/")] = file.read()
    return sources


@pytest.fixture
def runnable(any_engine, write_bundle, in_folder):
    """``runnable("info")`` runs a bundle as a program, with no edgepose but the one inside it."""
    with zipfile.ZipFile(io.BytesIO(tiny_bundle(any_engine))) as archive:
        members = {name: archive.read(name) for name in archive.namelist() if name != "manifest.json"}
    places = [(23, 23), (23, 39), (39, 23)]
    members.update(probe_members([places[joint % 3] for joint in range(16)], squares(64, 64)))
    members.update(device_sources())
    path = write_bundle(seal(manifest_document(any_engine), members))
    cv2.imwrite("a.png", squares(64, 64))
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}

    def run_program(*arguments, **options):
        return subprocess.Popen(
            [sys.executable, path] + list(arguments),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            universal_newlines=True,
            **options,
        )

    return run_program


def test_the_file_runs_by_itself(runnable):
    for arguments, expected in (
        (["info"], "tiny-host-fp32"),
        (["check"], "agrees: 16 of 16"),
        (["run", "a.png", "--overlay", "o.png", "--json", "-"], '"head_top": {"x": 23.0'),
    ):
        process = runnable(*arguments)
        out, err = process.communicate()
        assert process.returncode == 0, err
        assert expected in out
    assert os.path.exists("o.png")


def test_a_reader_that_leaves_is_no_error(runnable):
    process = runnable("info", "--json")
    process.stdout.close()
    error = process.stderr.read()
    process.stderr.close()
    assert process.wait() in (0, 1)  # 0: all had been written into the pipe before
    assert "Traceback" not in error
    assert "BrokenPipe" not in error


def test_a_full_standard_output_is_an_error(runnable):
    if not os.path.exists("/dev/full"):
        pytest.skip("there is no /dev/full on this system")
    with open("/dev/full", "w") as full:
        process = subprocess.Popen(
            runnable("info").args + ["--json"], stdout=full, stderr=subprocess.PIPE, universal_newlines=True
        )
        error = process.communicate()[1]
    assert process.returncode == 1
    assert "No space left" in error
    assert "Traceback" not in error
