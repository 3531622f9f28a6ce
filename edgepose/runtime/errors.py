"""The one exception family of edgepose.

Every error that a user can cause or meet is an :class:`EdgeposeError`: its message says what is wrong and where,
its hint says what to do. The command lines print both without a traceback and exit with ``exit_code``.
"""

EXIT_DONE = 0
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_GATE = 3
EXIT_HUNG_UP = 129
EXIT_INTERRUPTED = 130
EXIT_TERMINATED = 143


class EdgeposeError(Exception):
    """Something edgepose refuses or cannot do.

    ``message`` says what is wrong and where; ``hint`` (optional) says what to do about it.
    """

    exit_code = EXIT_FAILED

    def __init__(self, message, hint=None):
        super(EdgeposeError, self).__init__(message, hint)
        self.message = message
        self.hint = hint

    def __str__(self):
        return self.message if self.hint is None else "{} ({})".format(self.message, self.hint)


class UsageError(EdgeposeError):
    """The request itself is wrong: an unknown name, an option out of range, a combination that cannot be."""

    exit_code = EXIT_USAGE


class GateError(EdgeposeError):
    """A measured check did not hold; nothing was written."""

    exit_code = EXIT_GATE


class BundleError(EdgeposeError):
    """A ``.edgepose`` file is damaged, foreign, or of a schema that this edgepose does not read."""


class SourceError(EdgeposeError):
    """An image, folder, video or frame cannot be used as input."""


class EngineError(EdgeposeError):
    """The inference engine is missing, cannot be loaded, or disagrees with its manifest."""


class CheckpointError(EdgeposeError):
    """Trained weights are missing, damaged, unsafe to read, or of another network."""


class ConversionError(EdgeposeError):
    """A stage of the conversion pipeline cannot do its work."""


class RecordError(EdgeposeError):
    """A bench record is missing, damaged, or of a schema that this edgepose does not read."""


class DatasetError(EdgeposeError):
    """An evaluation or calibration data set cannot be read as such."""


def did_you_mean(word, choices):
    """``"; did you mean 'x'?"`` for the choice nearest to ``word``, or an empty string where none is near."""
    import difflib

    lowered = {choice.lower().replace("_", "-"): choice for choice in choices}
    near = difflib.get_close_matches(str(word).lower().replace("_", "-"), list(lowered), n=1, cutoff=0.5)
    return "; did you mean '{}'?".format(lowered[near[0]]) if near else ""
