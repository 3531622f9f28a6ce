"""TensorRT's messages: kept, so that an error can say why, and not printed."""

import collections
from typing import Any, Dict  # noqa: F401 - in type comments

KEPT = 40
# How TensorRT and CUDA say that memory ran out.
MEMORY_WORDS = (
    "out of memory",
    "outofmemory",
    "memory allocation",
    "bad_alloc",
    "insufficient memory",
    "cannot allocate",
)
_LOGS = {}  # type: Dict[Any, Any]


def log_of(trt):
    """The one logger of the module ``trt`` in this process: TensorRT ignores a second one, and keeps the first."""
    if trt not in _LOGS:
        _LOGS[trt] = _make_log(trt)
    return _LOGS[trt]


def _make_log(trt):
    class Log(trt.ILogger):  # type: ignore[name-defined]
        """Keeps the last errors."""

        def __init__(self):
            trt.ILogger.__init__(self)
            self._errors = collections.deque(maxlen=KEPT)  # type: Any
            #: Ctrl-C or SIGTERM, where it arrived in here: TensorRT would print it and go on.
            self.interrupted = None

        def log(self, severity, msg):
            try:
                if severity in (trt.ILogger.Severity.ERROR, trt.ILogger.Severity.INTERNAL_ERROR):
                    self._errors.append(str(msg).strip())
            except BaseException as error:
                self.interrupted = error

        def clear(self):
            """Forget what came so far."""
            self._errors.clear()
            self.interrupted = None

        @property
        def errors(self):
            """The last errors, oldest first."""
            return list(self._errors)

        @property
        def memory_ran_out(self):
            """Whether one of them says so."""
            return any(word in error.lower() for error in self._errors for word in MEMORY_WORDS)

    return Log()
