"""Frames to poses: preprocessing, engine and decoder of one bundle, put together."""

import operator
import os
import threading
import time
from typing import NamedTuple

import numpy as np

from edgepose.runtime.backends import open_backend
from edgepose.runtime.bundle import Bundle
from edgepose.runtime.errors import UsageError, did_you_mean
from edgepose.runtime.manifest import DECODERS
from edgepose.runtime.pose import Pose

DEFAULT_THREADS = 4
# What marks every result of an accelerator's engine that ran on the CPU.
ON_CPU = " on the CPU instead of the accelerator"
MAX_THREADS = 256

# Seconds that the parts of one call took.
Timings = NamedTuple("Timings", [("preprocess", float), ("engine", float), ("decode", float)])


def load(path, threads=None, decoder=None, device=None, allow_cpu=False, tensorrt=None, simulate=False):
    """Open the bundle at ``path`` and make it ready to run: ``edgepose.load("rt.edgepose")(frame)``.

    The options are those of :class:`PoseEstimator`. Raises :class:`BundleError` for a file that is not a
    whole bundle, :class:`EngineError` where its engine does not run here, :class:`UsageError` for the options.
    """
    return PoseEstimator(Bundle.open(path), threads, decoder, device, allow_cpu, tensorrt, simulate)


class PoseEstimator(object):
    """Finds the joints of the person in a frame, or in each of several regions of it.

    An instance reuses its buffers: it serves one thread at a time, and refuses a second. It is a context manager that
    closes itself.
    """

    def __init__(self, bundle, threads=None, decoder=None, device=None, allow_cpu=False, tensorrt=None, simulate=False):
        """Load the engine of ``bundle`` (:class:`Bundle`).

        ``threads``: CPU threads of the engine; as many as there are processors, four at most, where left out.
        ``decoder``: 'official' (still images: the upsampled map is smoothed first) or 'realtime' (it is not); what
        the bundle says where left out. ``device``: which Edge TPU, as in 0, 'usb:1' or 'pci:0', for engines that run
        on one; any where left out. ``allow_cpu``: let the CPU do the work of an accelerator that cannot be used;
        :attr:`fallback` and :attr:`library` then say so. ``tensorrt`` (:class:`TensorRtOptions`): how a Jetson bundle
        builds and runs its engine; ``simulate``: run its graph in ONNX Runtime, as off a Jetson in any case. Raises
        :class:`EngineError` where the engine does not run here and :class:`UsageError` for an unknown decoder, options
        or a number of threads that cannot be.
        """
        # These bring OpenCV; importing edgepose needs numpy alone.
        from edgepose.runtime.decoder import HeatmapDecoder
        from edgepose.runtime.preprocess import Preprocessor

        manifest = bundle.manifest
        decoder = manifest.decoder.default if decoder is None else decoder
        if decoder not in DECODERS:
            raise UsageError(
                "there is no decoder {!r}{}".format(decoder, did_you_mean(decoder, DECODERS)),
                "one of: " + ", ".join(DECODERS),
            )
        threads = default_threads() if threads is None else threads
        require_threads(threads)
        #: The :class:`Bundle` this runs.
        self.bundle = bundle
        self.manifest = manifest
        self.decoder = decoder
        self.threads = operator.index(threads)
        #: :class:`Timings` of the last pose; None before the first.
        self.timings = None
        height, width = manifest.heatmap_size
        sigma = manifest.decoder.sigma if decoder == "official" else 0.0
        self._preprocessor = Preprocessor(manifest)
        self._decoder = HeatmapDecoder(height, width, manifest.decoder.upsampling, sigma)
        self._in_use = threading.Lock()
        cpu_data = bundle.cpu_engine_bytes() if allow_cpu else None
        self._backend = open_backend(
            manifest.engine, bundle.engine_bytes(), self.threads, device, cpu_data, tensorrt, simulate
        )

    @property
    def library(self):
        """Name and version of the engine library, as in 'ai_edge_litert 2.3.0', and whether it is a fallback."""
        name = "{} {}".format(self._backend.library, self._backend.version)
        return name if self.fallback is None else name + ON_CPU

    @property
    def engine_record(self):
        """How TensorRT's engine came to be (:class:`EngineRecord`); None for any other engine."""
        return self._backend.record

    @property
    def fallback(self):
        """Why the CPU does the accelerator's work, in a sentence; None where it does not."""
        return self._backend.fallback

    def __call__(self, frame, region=None, color="bgr"):
        """The :class:`Pose` of the person in ``frame``.

        ``frame``: uint8 [H, W, 3] in ``color`` order 'bgr' (as OpenCV gives it) or 'rgb'; grey [H, W] and [H, W, 1]
        and frames with alpha [H, W, 4] are converted. ``region``: (x, y, width, height) in pixels of the frame,
        where the person is, rounded to whole pixels; the whole frame where left out. Raises :class:`SourceError`
        for a frame or region that cannot be used, :class:`EngineError` where the engine fails, :class:`UsageError`
        where another thread is using this estimator.
        """
        self._claim()
        try:
            return self._find(frame, region, color)
        finally:
            self._in_use.release()

    def _find(self, frame, region, color):
        start = time.perf_counter()
        tensor, transform = self._preprocessor.prepare(frame, region=region, color=color)
        prepared = time.perf_counter()
        heatmaps = self._backend.infer(tensor)
        inferred = time.perf_counter()
        peaks, scores = self._decode(heatmaps)
        pose = Pose(transform.to_frame(peaks), scores)
        self.timings = Timings(prepared - start, inferred - prepared, time.perf_counter() - inferred)
        return pose

    def predict_regions(self, frame, regions, color="bgr"):
        """A list of one :class:`Pose` for each of ``regions`` (x, y, width, height), all in pixels of ``frame``."""
        return [self(frame, region=region, color=color) for region in regions]

    def close(self):
        """Free the engine. Closing twice does nothing; a closed estimator refuses frames.

        Raises :class:`UsageError` where another thread is using this estimator.
        """
        self._claim()
        try:
            self._backend.close()
        finally:
            self._in_use.release()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _claim(self):
        """Take the lock, for the caller to give back; refuse where another thread has it."""
        if not self._in_use.acquire(False):
            raise UsageError("this estimator is in use by another thread", "load one for each thread")

    def _decode(self, heatmaps):
        """(peaks, scores in real units) of heatmaps as the engine computes them."""
        spec = self.manifest.engine.output
        if spec.scale is None:
            return self._decoder.decode(heatmaps)
        # Searched as integers, exactly: a positive scale moves no maximum.
        peaks, scores = self._decoder.decode(heatmaps, spec.zero_point)
        return peaks, scores * np.float32(spec.scale)


def require_threads(threads):
    """Raise :class:`UsageError` for a number of CPU threads that cannot be."""
    if not hasattr(threads, "__index__") or isinstance(threads, bool) or not 1 <= threads <= MAX_THREADS:
        raise UsageError("{!r} is not a number of threads".format(threads), "1 to {}".format(MAX_THREADS))


def default_threads():
    """As many threads as this process may use processors, four at most: small networks gain nothing beyond."""
    try:
        processors = len(os.sched_getaffinity(0))
    except AttributeError:  # not on this system
        processors = os.cpu_count() or 1
    return min(DEFAULT_THREADS, processors)
