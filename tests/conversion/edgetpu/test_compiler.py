"""Running the compiler and judging it, with a program in its place that prints and writes as it does."""

import os
import re
import time
from pathlib import Path

import pytest
from compiler_logs import FAILURES, LARGE, failure, success
from fake_compiler import make_compiler, runs_of, step
from tflite_models import whole_model

from edgepose.conversion.edgetpu.compiler import ATTEMPTS, find_compiler, run_compiler
from edgepose.conversion.edgetpu.judge import judge, require_whole
from edgepose.conversion.edgetpu.operator_rules import BEHIND, UNSUPPORTED
from edgepose.runtime.errors import ConversionError, GateError, UsageError

ENGINE = whole_model()
LEFT = (("CONV_2D", 29, "Mapped to Edge TPU"), ("CONV_2D", 1, BEHIND), ("HARD_SWISH", 1, UNSUPPORTED))
INTERNAL = FAILURES["the compiler failed in itself"]


def compiled_by(folder, *steps, time_limit_s=60):
    return judge(run_compiler(ENGINE, make_compiler(folder, *steps, source=ENGINE), time_limit_s), ENGINE)


def test_a_whole_mapping_is_what_it_says(tmp_path):
    compilation = compiled_by(tmp_path, step())
    require_whole(compilation)
    assert compilation.whole
    assert compilation.attempts == 1
    record = compilation.to_record()
    assert (record["kind"], record["mapped"], record["blocking"]) == ("compiled", 31, [])
    assert record["log"]["version"] == "16.0.384591198"
    (arguments,) = runs_of(tmp_path / "edgetpu_compiler")
    assert arguments[:3] == ["-s", "-t", "60"]
    assert not Path(arguments[-1]).exists()  # nothing is left behind


@pytest.mark.parametrize("exit_code", [1, 77])
def test_the_exit_code_alone_decides_nothing(tmp_path, exit_code):
    assert compiled_by(tmp_path, step(exit_code=exit_code)).whole
    with pytest.raises(ConversionError, match="too large"):
        compiled_by(tmp_path / "other", step(failure(LARGE), None, exit_code=0))


def test_operators_left_to_the_cpu_are_named_row_by_row(tmp_path):
    compilation = compiled_by(tmp_path, step(success(LEFT, left=2), "partial"))
    assert not compilation.whole
    with pytest.raises(GateError, match=f"1 x CONV_2D: {BEHIND}; 1 x HARD_SWISH: {UNSUPPORTED}") as caught:
        require_whole(compilation)
    assert "--no-require-full-mapping" in str(caught.value.hint)


def test_a_file_that_holds_more_than_its_log_says_is_not_whole(tmp_path):
    compilation = compiled_by(tmp_path, step(success(), "partial"))
    assert not compilation.whole
    with pytest.raises(GateError, match="1 x RELU6: not in the log"):
        require_whole(compilation)


@pytest.mark.parametrize(("meaning", "log"), FAILURES.items())
def test_each_failure_says_what_it_means(tmp_path, meaning, log):
    with pytest.raises(ConversionError, match=re.escape(meaning)) as caught:
        compiled_by(tmp_path, step(log, None, exit_code=1))
    assert caught.value.hint


@pytest.mark.parametrize(
    ("one", "complaint"),
    [
        (step(output=None), "reports success, but wrote no file"),
        (step(output="unchanged"), "mapped no operator"),
        (step(success((("CONV_2D", 2, UNSUPPORTED),), left=2)), "mapped no operator"),
        (step(output="reshaped"), "other inputs and outputs"),
        (step(output="broken"), "damaged TFLite file"),
        (step("", "whole"), "says nothing"),
        (step("", None, exit_code=127), r"exit code 127"),
        (step(success() + "Compilation failed! \n"), "Compilation failed!"),
    ],
)
def test_success_without_a_result_is_none(tmp_path, one, complaint):
    with pytest.raises(ConversionError, match=complaint):
        compiled_by(tmp_path, one)


def test_an_internal_error_is_tried_again(tmp_path):
    compilation = compiled_by(tmp_path, step(INTERNAL, None, 1), step())
    assert (compilation.whole, compilation.attempts) == (True, 2)
    with pytest.raises(ConversionError, match="in every attempt"):
        compiled_by(tmp_path / "never", step(INTERNAL, None, 1))
    assert len(runs_of(tmp_path / "never" / "edgetpu_compiler")) == ATTEMPTS


def test_other_failures_are_not(tmp_path):
    with pytest.raises(ConversionError, match="too large"):
        compiled_by(tmp_path, step(failure(LARGE), None, 1))
    assert len(runs_of(tmp_path / "edgetpu_compiler")) == 1


def test_a_compiler_that_does_not_end_is_ended(tmp_path, monkeypatch):
    monkeypatch.setattr("edgepose.conversion.edgetpu.compiler.GRACE_S", 0)
    started = time.monotonic()
    with pytest.raises(ConversionError, match="did not end within 1 s"):
        compiled_by(tmp_path, step(seconds=600), time_limit_s=1)
    assert time.monotonic() - started < 60


def test_what_cannot_be_started_is_refused(tmp_path):
    program = tmp_path / "edgetpu_compiler"
    program.write_bytes(b"\x7fELF of another machine")
    program.chmod(0o755)
    with pytest.raises(ConversionError, match="cannot start"):
        run_compiler(ENGINE, program)


def test_the_compiler_is_found_where_it_is(tmp_path, monkeypatch):
    program = make_compiler(tmp_path, step())
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert find_compiler() == program
    monkeypatch.setenv("PATH", os.defpath)
    assert find_compiler() is None
    assert find_compiler(str(program)) == program
    with pytest.raises(UsageError, match="no Edge TPU compiler"):
        find_compiler(str(tmp_path / "missing"))
    program.chmod(0o644)
    with pytest.raises(UsageError, match="may not be run"):
        find_compiler(str(program))
