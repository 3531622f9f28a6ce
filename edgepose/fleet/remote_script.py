"""What runs on the device: a few lines of POSIX shell, and a few of Python, on one SSH connection.

A folder is made, the files come in on standard input, the bundle benches itself, and the folder is removed whatever
happens: when the bench ends, when it is killed, and when the connection is lost, for then standard input ends and the
bundle stops. Folders that a device left when it lost its power are removed at the next run.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence

# Why there is no bench: words of 'fault', said before it could begin.
NO_FOLDER, NO_PYTHON, OLD_PYTHON, NO_SPACE, CUT_SHORT = "no-folder", "no-python", "old-python", "no-space", "cut-short"

_RECEIVE = """
import errno, os, sys
try:
    for path, size in zip(sys.argv[1::2], sys.argv[2::2]):
        left = int(size)
        file = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
        while left:
            data = os.read(0, min(left, 1 << 16))
            if not data:
                sys.exit(7)
            left -= len(data)
            while data:
                data = data[os.write(file, data):]
        os.close(file)
except OSError as error:
    print(error.strerror)
    sys.exit(8)
"""

_SCRIPT = r"""
mark={mark}; python={python}; folder={folder}
say() {{ printf "%s %s\n" "$mark" "$*"; }}
case $folder in
  "") folder=$HOME ;;
  "~"|"~/"*) folder=$HOME${{folder#"~"}} ;;
esac
case $python in "~/"*) python=$HOME${{python#"~"}} ;; esac
cd -- "$folder" 2>/dev/null || {{ say fault {no_folder} "$folder"; exit 0; }}
for old in .edgepose-bench.*; do
  [ -s "$old/pid" ] || continue
  kill -0 "$(cat "$old/pid")" 2>/dev/null || rm -rf -- "$old"
done
command -v -- "$python" >/dev/null 2>&1 || {{ say fault {no_python} "$python"; exit 0; }}
"$python" -c "import sys; sys.exit(sys.version_info < (3, 6))" </dev/null 2>/dev/null ||
  {{ say fault {old_python} "$("$python" -V 2>&1 </dev/null)"; exit 0; }}
work=$(mktemp -d "$PWD/.edgepose-bench.XXXXXX" 2>/dev/null) || {{ say fault {no_folder} "$folder"; exit 0; }}
trap "rm -rf -- \"\$work\"" EXIT
trap "exit 1" HUP INT TERM PIPE
echo $$ >"$work/pid" 2>/dev/null
say copying
problem=$("$python" -c {receive} {files})
case $? in
  0) ;;
  7) say fault {cut_short}; exit 0 ;;
  *) say fault {no_space} "$problem; in $folder"; exit 0 ;;
esac
say running
"$python" "$work"/{bundle} bench --attended "$mark" {arguments}
say exit $?
"""


def remote_command(
    mark: str,
    python: str,
    folder: str,
    bundle: str,
    sizes: Sequence[tuple[str, int]],
    arguments: Sequence[str],
) -> str:
    """The command line for ``ssh``: one word to whatever shell the device's user has, run by its ``sh``.

    ``sizes``: (name, bytes) of the files that come in on standard input, in order; ``bundle`` is one of them, and
    ``{work}`` in ``arguments`` stands for the folder that they lie in. Every line of its own begins with ``mark``.
    """
    files = " ".join(f'"$work"/{shlex.quote(name)} {size}' for name, size in sizes)
    words = " ".join(
        f'"$work"/{shlex.quote(word[len("{work}/") :])}' if word.startswith("{work}/") else shlex.quote(word)
        for word in arguments
    )
    script = _SCRIPT.format(
        mark=shlex.quote(mark),
        python=shlex.quote(python),
        folder=shlex.quote(folder),
        receive=shlex.quote(_RECEIVE),
        files=files,
        bundle=shlex.quote(bundle),
        arguments=words,
        no_folder=NO_FOLDER,
        no_python=NO_PYTHON,
        old_python=OLD_PYTHON,
        no_space=NO_SPACE,
        cut_short=CUT_SHORT,
    )
    return f"exec sh -c {shlex.quote(script)}"
