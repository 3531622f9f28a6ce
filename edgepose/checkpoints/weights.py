"""Which weights a word means: the official files, pinned and fetched; those that ship; files of the user's own."""

import contextlib
import os
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import platformdirs

from edgepose.checkpoints.download import Progress, download
from edgepose.checkpoints.files import git_blob_id, read_checkpoint_bytes
from edgepose.data_files import data_folder
from edgepose.network.variants import VARIANTS, Variant, get_variant
from edgepose.runtime.errors import CheckpointError, EdgeposeError, did_you_mean

OFFICIAL_COMMIT = "78e4bd1913780dd565efe35db03a4aec75907e8c"
OFFICIAL_URL = f"https://raw.githubusercontent.com/daniegr/EfficientPose/{OFFICIAL_COMMIT}/models/keras"
WEIGHTS_VARIABLE = "EDGEPOSE_WEIGHTS"
REFERENCE_VARIABLE = "EDGEPOSE_REFERENCE"
DEMO_FOLDER, DEMO_PREFIX = "weights", "edgepose-demo-"  # of the data that ships

_GIT_BLOB_IDS = {
    "RT": "2a5c0e613054f76bcf82d84e5c17bd0504088c27",
    "I": "9dbca7eee777314d3a24c8dd9be0071bd6c92fd6",
    "II": "c1b3e207c0ac279e7cb20cf494686e180936a446",
    "III": "7715b486793e6f7e10d049a4c4bd72390795f4a4",
    "IV": "8ff5fff914aec894699522c84b7e9f29720edc57",
    "RT_LITE": "02845a847aabe4894399625e7b8416368dc80cf7",
    "I_LITE": "3bf4ccb8d57814c39c1d87054d9ccb3127b46aec",
    "II_LITE": "e8bfe11f761525a4ccdc8ca262fc7799bd385f02",
}


class OfficialWeights(NamedTuple):
    """One official Keras file. ``path`` is where its verified copy lies on this machine, or None."""

    variant: str
    file_name: str
    git_blob_id: str
    path: Path | None


def weights_folder() -> Path:
    """Where fetched weights are kept: ``EDGEPOSE_WEIGHTS``, else in the user's cache folder."""
    override = os.environ.get(WEIGHTS_VARIABLE)
    return Path(override).expanduser() if override else Path(platformdirs.user_cache_dir("edgepose")) / "weights"


def list_official_weights() -> list[OfficialWeights]:
    """All official files, in the order of the variants."""
    return [
        OfficialWeights(name, _file_name(VARIANTS[name]), blob_id, _find(VARIANTS[name]))
        for name, blob_id in _GIT_BLOB_IDS.items()
    ]


def fetch_official_weights(
    variant: Variant | str, progress: Progress | None = None, base_url: str = OFFICIAL_URL
) -> Path:
    """The verified official file of ``variant``, downloaded where it is not on this machine yet.

    ``progress(done, total)`` is called with bytes as they come; ``total`` is None where the server does not
    say it. Interrupted downloads continue. Raises :class:`CheckpointError` where the file cannot be had,
    :class:`EdgeposeError` where it cannot be written.
    """
    wanted = get_variant(variant) if isinstance(variant, str) else variant
    found = _find(wanted)
    if found is not None:
        return found
    destination = weights_folder() / _file_name(wanted)
    url = f"{base_url}/{_file_name(wanted)}"
    try:
        download(url, destination, _is_official(wanted), progress)
    except CheckpointError as error:
        raise CheckpointError(error.message + _strangers(wanted), error.hint) from error
    except EdgeposeError as error:
        raise EdgeposeError(error.message, f"free space there, or name another folder in {WEIGHTS_VARIABLE}") from error
    return destination


class ResolvedCheckpoint(NamedTuple):
    """The file that was meant.

    ``weights``: whose they are by their content, however they were named: ``official``, ``demo``, or ``file`` for any
    other. ``notice``: a line that their user must know, or None.
    """

    path: Path
    weights: str
    notice: str | None


def resolve_checkpoint(
    spec: str | os.PathLike[str] | None,
    variant: Variant | str,
    progress: Progress | None = None,
    base_url: str = OFFICIAL_URL,
) -> ResolvedCheckpoint:
    """The file that ``spec`` means: ``official``, ``demo``, a path, or None for the best that can be had.

    Official weights are fetched where they are not on this machine yet. None is ``official``, and ``demo`` where those
    cannot be fetched and edgepose ships weights of ``variant``; ``notice`` then says why. Raises
    :class:`CheckpointError` where there is no file, :class:`UsageError` for an unknown variant.
    """
    wanted = get_variant(variant) if isinstance(variant, str) else variant
    if spec is None:
        try:
            return ResolvedCheckpoint(fetch_official_weights(wanted, progress, base_url), "official", None)
        except CheckpointError as error:
            if demo_weights(wanted) is None:
                raise
            return _demo(wanted, f"; the official ones were not to be had: {error.message}")
    if spec == "official":
        return ResolvedCheckpoint(fetch_official_weights(wanted, progress, base_url), "official", None)
    if spec == "demo":
        return _demo(wanted)
    path = Path(spec).expanduser()
    if not path.exists():
        raise CheckpointError(
            f"there is no checkpoint {path}{did_you_mean(spec, ('official', 'demo'))}",
            "name a file, 'official' for the published weights, or 'demo'",
        )
    contents, shipped = read_checkpoint_bytes(path), demo_weights(wanted)
    if shipped is not None and contents == read_checkpoint_bytes(shipped):
        return _demo(wanted)._replace(path=path)
    return ResolvedCheckpoint(path, "official" if _is_official(wanted)(contents) else "file", None)


def demo_weights(variant: Variant | str) -> Path | None:
    """The file of ``variant`` that ships with edgepose, None where there is none; ``weights/README.md`` is its card."""
    wanted = get_variant(variant) if isinstance(variant, str) else variant
    path = data_folder(DEMO_FOLDER) / f"{DEMO_PREFIX}{wanted.name.lower().replace('_', '-')}.safetensors"
    return path if path.is_file() else None


def _demo(variant: Variant, why: str = "") -> ResolvedCheckpoint:
    path = demo_weights(variant)
    if path is None:
        shipped = [name for name in VARIANTS if demo_weights(name) is not None]
        raise CheckpointError(
            f"edgepose ships no weights of {variant.name}", f"it ships {', '.join(shipped)}; or name a file"
        )
    notice = (
        f"{variant.name} has edgepose's own demonstration weights: to try and to test with, not to find people in "
        f"photographs ({path.parent / 'README.md'}); 'edgepose weights fetch {variant.name}' gets the official ones"
    )
    return ResolvedCheckpoint(path, "demo", notice + why)


def _file_name(variant: Variant) -> str:
    return f"EfficientPose{variant.name}.h5"


def _places(variant: Variant) -> list[Path]:
    folders = [weights_folder()]
    if reference := os.environ.get(REFERENCE_VARIABLE):
        folders.append(Path(reference) / "weights")
    return [folder / _file_name(variant) for folder in folders]


def _find(variant: Variant) -> Path | None:
    """A file on this machine that is the official one to the last bit."""
    is_official = _is_official(variant)
    for path in _places(variant):
        # A file that cannot be read counts as absent: fetching it anew is the way out.
        with contextlib.suppress(CheckpointError):
            if path.is_file() and is_official(read_checkpoint_bytes(path)):
                return path
    return None


def _strangers(variant: Variant) -> str:
    """What an error adds about files that lie where the official one belongs; empty where there are none."""
    told = ""
    for path in filter(Path.exists, _places(variant)):
        try:
            found = git_blob_id(read_checkpoint_bytes(path))[:12]
            told += (
                f"; {path} is there but is not the official file (git blob {found}, not "
                f"{_GIT_BLOB_IDS[variant.name][:12]}): --checkpoint {shlex.quote(str(path))} uses it"
            )
        except CheckpointError as error:
            told += f"; {error.message}"
    return told


def _is_official(variant: Variant) -> Callable[[bytes], bool]:
    expected = _GIT_BLOB_IDS.get(variant.name)
    if expected is None:
        raise CheckpointError(f"no official weights of {variant.name} are published", "name a file: --checkpoint PATH")
    return lambda contents: git_blob_id(contents) == expected
