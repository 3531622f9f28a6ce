"""Poses written as they come: JSON, JSON lines, CSV, or text for reading."""

import contextlib
import csv
import io
import json
import sys

from edgepose.runtime.atomic import atomic_path
from edgepose.runtime.errors import UsageError
from edgepose.runtime.joints import JOINTS

STANDARD_OUTPUT = "-"


class JsonLinesWriter(object):
    """One JSON object a line: ``source``, ``frame``, ``seconds``, ``region``, ``joints``.

    ``frame`` and ``seconds`` are null for images, ``region`` where there was none, and a joint where it scored less
    than ``min_score``; other joints are ``{"x", "y", "score"}`` in pixels of the frame. ``fallback`` is there only
    where the CPU did an accelerator's work, and says why.
    """

    def __init__(self, stream, header, min_score):
        self._stream = stream
        self._min_score = min_score
        self._marks = {"fallback": header["fallback"]} if "fallback" in header else {}

    def write(self, frame, region, pose):
        """Write the :class:`Pose` found in ``region`` of ``frame`` (:class:`Frame`)."""
        self._stream.write(self._record(frame, region, pose) + "\n")

    def close(self):
        """Write what follows the last pose."""

    def _record(self, frame, region, pose):
        joints = pose.to_dict()
        for name, score in zip(JOINTS, pose.scores):
            if score < self._min_score:
                joints[name] = None
        record = {
            "source": frame.source,
            "frame": frame.index,
            "seconds": None if frame.seconds is None else round(frame.seconds, 4),
            "region": None if region is None else list(region),
            "joints": joints,
        }
        record.update(self._marks)
        return json.dumps(record, allow_nan=False)


class JsonWriter(JsonLinesWriter):
    """One JSON document: the header's fields, and ``frames``, a list of what :class:`JsonLinesWriter` writes."""

    def __init__(self, stream, header, min_score):
        super(JsonWriter, self).__init__(stream, header, min_score)
        self._separator = "\n"
        opening = json.dumps(header, indent=1, allow_nan=False)
        stream.write(opening[: opening.rindex("}")].rstrip() + ',\n "frames": [')

    def write(self, frame, region, pose):
        """Write the :class:`Pose` found in ``region`` of ``frame`` (:class:`Frame`)."""
        self._stream.write(self._separator + "  " + self._record(frame, region, pose))
        self._separator = ",\n"

    def close(self):
        """Close the list and the document."""
        self._stream.write("\n ]\n}\n")


class CsvWriter(object):
    """One row a pose: ``source``, ``frame``, ``seconds``, then ``<joint>_x``, ``<joint>_y``, ``<joint>_score``.

    Fields are empty where the JSON has null; coordinates of joints below ``min_score`` are empty, their scores not. A
    last column ``fallback`` is there only where the CPU did an accelerator's work, and says why.
    """

    def __init__(self, stream, header, min_score):
        self._min_score = min_score
        self._rows = csv.writer(stream, lineterminator="\n")
        columns = ["{}_{}".format(joint, field) for joint in JOINTS for field in ("x", "y", "score")]
        self._marks = [header["fallback"]] if "fallback" in header else []
        self._rows.writerow(["source", "frame", "seconds"] + columns + ["fallback"] * len(self._marks))

    def write(self, frame, region, pose):
        """Write the :class:`Pose` found in ``frame`` (:class:`Frame`)."""
        seconds = None if frame.seconds is None else "{:.4f}".format(frame.seconds)
        row = [frame.source, frame.index, seconds]
        for (x, y), score in zip(pose.keypoints.tolist(), pose.scores.tolist()):
            shown = score >= self._min_score
            row += ["{:.3f}".format(x) if shown else None, "{:.3f}".format(y) if shown else None]
            row.append("{:.5f}".format(score))
        self._rows.writerow(row + self._marks)

    def close(self):
        """Nothing follows the last row."""


class TextWriter(object):
    """What a person reads: the name of the frame, then a line a joint."""

    def __init__(self, stream, header, min_score):
        self._stream = stream
        self._mark = "  by the CPU, not the accelerator" if "fallback" in header else ""
        self._min_score = min_score

    def write(self, frame, region, pose):
        """Write the :class:`Pose` found in ``frame`` (:class:`Frame`)."""
        lines = [frame.source]
        if frame.index is not None:
            lines[0] += "  frame {}, {:.2f} s".format(frame.index, frame.seconds)
        lines[0] += self._mark
        for name in JOINTS:
            x, y, score = pose[name]
            place = "{:9.1f} {:9.1f}".format(x, y) if score >= self._min_score else "{:>9} {:>9}".format("-", "-")
            lines.append("  {:<15} {}   {:.2f}".format(name, place, score))
        self._stream.write("\n".join(lines) + "\n")

    def close(self):
        """Nothing follows the last pose."""


def json_writer(path):
    """The writer class that a ``--json`` path asks for: a document for ``*.json``, else lines."""
    if path == STANDARD_OUTPUT or path.lower().endswith((".jsonl", ".ndjson")):
        return JsonLinesWriter
    if path.lower().endswith(".json"):
        return JsonWriter
    raise UsageError(
        "cannot tell what to write to {}".format(path), "end it in .json, or .jsonl for one line a frame; - is stdout"
    )


@contextlib.contextmanager
def open_writer(writer_class, path, header, min_score):
    """Yield a writer to ``path``, which appears whole when the block ends without error; ``-`` is standard output.

    Raises :class:`EdgeposeError` where the file cannot be written.
    """
    if path == STANDARD_OUTPUT:
        writer = writer_class(sys.stdout, header, min_score)
        yield writer
        writer.close()
        sys.stdout.flush()
        return
    with atomic_path(path) as temporary:
        with io.open(temporary, "w", encoding="utf-8", errors="surrogateescape", newline="") as stream:
            writer = writer_class(stream, header, min_score)
            yield writer
            writer.close()
