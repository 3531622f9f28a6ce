"""Run an estimator over images, folders and videos, and write what it finds: the work of every ``run`` command."""

import contextlib
import os
from typing import List, NamedTuple, Optional, Tuple

from edgepose.runtime.errors import SourceError, UsageError
from edgepose.runtime.overlay import draw_pose
from edgepose.runtime.overlay_files import open_video_overlay, overlay_paths, write_image
from edgepose.runtime.results import STANDARD_OUTPUT, CsvWriter, TextWriter, json_writer, open_writer
from edgepose.runtime.sources import open_sources
from edgepose.version import __version__

# Where results go: file names, '-' for standard output (json and csv), or None. All None: text on standard output.
Outputs = NamedTuple("Outputs", [("json", Optional[str]), ("csv", Optional[str]), ("overlay", Optional[str])])
# How far a run is: which source of how many, which of its frames, of how many where it says so.
Progress = NamedTuple(
    "Progress", [("source", str), ("number", int), ("sources", int), ("frame", int), ("frames", Optional[int])]
)
# What a run did. ``failures``: the sources that could not be read, each with the error that says why.
RunSummary = NamedTuple(
    "RunSummary", [("frames", int), ("failures", List[Tuple[str, SourceError]]), ("warnings", List[str])]
)


def run_sources(estimator, paths, outputs, region=None, min_score=0.0, progress=None):
    """Find the pose in every frame that ``paths`` (images, folders, videos) hold, and write it to ``outputs``.

    Frames stream: one is in memory at a time. ``region`` (x, y, width, height) is looked at in every frame.
    ``progress`` is called with a :class:`Progress` after each frame. Every file appears whole or not at all.

    A source that cannot be read does not keep the others from being run: it is listed in the :class:`RunSummary`.
    Where none can be read, the first one's :class:`SourceError` is raised and nothing is written. Raises
    :class:`UsageError` for outputs that cannot be, :class:`EdgeposeError` where one cannot be written.
    """
    if not abs(min_score) < float("inf"):
        raise UsageError("{} is not a score to compare with".format(min_score), "scores lie around 0 to 1")
    sources = open_sources(paths)
    writers = _writers(outputs)
    overlays = overlay_paths(outputs.overlay, sources) if outputs.overlay is not None else {}
    written = [path for _, path in writers] + list(overlays.values())
    _refuse_to_replace([source.path for source in sources] + [estimator.bundle.path], written)
    header = {
        "edgepose": __version__,
        "bundle": estimator.manifest.name,
        "bundle_sha256": estimator.bundle.sha256,
        "decoder": estimator.decoder,
    }
    if estimator.fallback is not None:  # marked in every result, as speed and bits are another processor's
        header["fallback"] = estimator.fallback
    done, failures, warnings = 0, [], []
    with contextlib.ExitStack() as files:
        opened = [files.enter_context(open_writer(kind, path, header, min_score)) for kind, path in writers]
        for number, source in enumerate(sources, 1):
            try:
                frames = 0
                for frame in _drawn_frames(estimator, source, region, min_score, overlays.get(source.path), opened):
                    frames += 1
                    if progress is not None:
                        progress(Progress(frame.source, number, len(sources), frames, source.frame_count))
                done += frames
            except SourceError as error:
                failures.append((source.path, error))
            if source.warning is not None:
                warnings.append(source.warning)
        if done == 0:
            raise failures[0][1]
    return RunSummary(done, failures, warnings)


def _drawn_frames(estimator, source, region, min_score, overlay_path, writers):
    """Yield each frame of ``source`` once its pose is written, and drawn where ``overlay_path`` is not None."""
    with contextlib.ExitStack() as files:
        video = None
        for frame in source.frames():
            pose = estimator(frame.image, region=region)
            for writer in writers:
                writer.write(frame, region, pose)
            if overlay_path is not None:
                draw_pose(frame.image, pose, min_score)
                if not source.is_video:
                    write_image(overlay_path, frame.image)
                else:
                    # Opened late: only a decoded frame proves that there will be one to write.
                    video = video or files.enter_context(open_video_overlay(overlay_path, source.fps))
                    video.write(frame.image)
            yield frame


def _writers(outputs):
    """[(writer class, path)]. Raises :class:`UsageError` where two would write to one place."""
    writers = []
    if outputs.json is not None:
        writers.append((json_writer(outputs.json), outputs.json))
    if outputs.csv is not None:
        writers.append((CsvWriter, outputs.csv))
    if len(writers) == 2 and _same_place(writers[0][1], writers[1][1]):
        raise UsageError("--json and --csv both write to {}".format(outputs.csv), "name two files")
    if not writers and outputs.overlay is None:
        writers.append((TextWriter, STANDARD_OUTPUT))
    return writers


def _refuse_to_replace(inputs, written):
    for path in written:
        for read in inputs:
            if path != STANDARD_OUTPUT and _same_place(path, read):
                raise UsageError(
                    "{} is a source or the bundle itself: it would be replaced".format(path), "name another file"
                )


def _same_place(one, other):
    return os.path.realpath(one) == os.path.realpath(other)
