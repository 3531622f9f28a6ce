"""The parser of the compiler's output: every known form, and anything at all."""

import pytest
from compiler_logs import BANNER, FAILURES, INTERPRETER, LARGE, RESTORED, TIMER, failure, success
from hypothesis import given
from hypothesis import strategies as st

from edgepose.conversion.edgetpu.compiler_log import LogRow, parse_compiler_log, size_in_bytes
from edgepose.conversion.edgetpu.operator_rules import MAPPED, STATUSES

MIB = 1 << 20


def test_a_whole_mapping():
    log = parse_compiler_log(success())
    assert log.version == "16.0.384591198"
    assert log.succeeded
    assert log.milliseconds == 986
    assert log.rows == (LogRow("ADD", 2, MAPPED), LogRow("CONV_2D", 29, MAPPED))
    assert (log.mapped, log.operations, log.blocking, log.errors) == (31, 31, (), ())
    sizes = (log.input_bytes, log.output_bytes, log.on_chip_used_bytes, log.on_chip_remaining_bytes, log.off_chip_bytes)
    assert sizes == tuple(round(size * MIB) for size in (2.88, 3.31, 3.86, 3.83, 0.0))
    assert log.subgraphs == 1


def test_one_operator_on_several_rows_of_every_status():
    rows = [("CONV_2D", number, status) for number, status in enumerate(STATUSES, 1)]
    log = parse_compiler_log(success(rows, left=44))
    assert [(row.count, row.status) for row in log.rows] == list(enumerate(STATUSES, 1))
    assert log.mapped == 1
    assert {row.status for row in log.blocking} == set(STATUSES) - {MAPPED}
    assert (log.edgetpu_operations, log.cpu_operations) == (1, 44)


def test_the_words_of_old_versions():
    banner = "Edge TPU Compiler version 2.1.302470888\n"
    log = parse_compiler_log(success(banner=banner, timer="", words="available"))
    assert (log.version, log.succeeded) == ("2.1.302470888", True)
    assert log.on_chip_remaining_bytes == round(3.83 * MIB)


def test_without_a_table_the_counts_tell():
    log = parse_compiler_log(success(rows=(), left=0).replace("run on Edge TPU: 0", "run on Edge TPU: 132"))
    assert (log.rows, log.mapped) == ((), 132)


def test_of_several_attempts_the_last_counts():
    earlier = (
        "Searching for valid delegate with step 1\nTry to compile segment with 139 ops\n"
        + TIMER
        + f"{RESTORED}\n{LARGE}\nCompilation child process completed within timeout period.\nCompilation failed! \n"
        + "Try to compile segment with 138 ops\nIntermediate tensors: a,b\n"
    )
    log = parse_compiler_log(success(attempts=earlier))
    assert (log.succeeded, log.errors, log.mapped) == (True, (), 31)
    undone = parse_compiler_log(success() + "Try to compile segment with 12 ops\n" + failure(LARGE)[len(BANNER) :])
    assert (undone.succeeded, undone.rows, undone.mapped) == (False, (), 0)
    assert undone.version == "16.0.384591198"


@pytest.mark.parametrize("text", FAILURES.values(), ids=FAILURES)
def test_failures_are_no_success(text):
    log = parse_compiler_log(text)
    assert not log.succeeded
    assert log.errors
    assert log.mapped == 0


def test_a_success_that_an_error_follows_is_none():
    assert not parse_compiler_log(success() + INTERPRETER + "\n").succeeded


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0.00B", 0),
        ("12B", 12),
        ("76.14KiB", 77967),
        ("2.88MiB", 3019899),
        ("1.00GiB", 1 << 30),
        ("3.3", None),
        ("-1.0MiB", None),
        ("1.0TiB", None),
        ("nanMiB", None),
        ("9" * 40 + "MiB", None),
    ],
)
def test_sizes(text, size):
    assert size_in_bytes(text) == size


@given(st.text(max_size=400))
def test_anything_at_all_is_read(text):
    log = parse_compiler_log(text)
    assert log.mapped >= 0
    log.to_dict()


LINES = [line for text in (success(), success(left=3), *FAILURES.values()) for line in text.splitlines()]


@given(st.lists(st.sampled_from(LINES) | st.text(max_size=40), max_size=60))
def test_shuffled_lines_are_read_and_errors_win(lines):
    """A log that ends in a failure is never a success, whatever stands before."""
    log = parse_compiler_log("\n".join([*lines, "Compilation failed! "]))
    assert not log.succeeded
    for row in log.rows:
        assert row.count >= 0
        assert row.status


def test_a_log_cut_short_counts_no_more_than_the_whole():
    whole = success(left=2)
    counts = [parse_compiler_log(whole[:length]).mapped for length in range(len(whole))]
    assert max(counts) == counts[-1] == 31
