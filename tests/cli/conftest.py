"""A way to type commands."""

from dataclasses import dataclass

import pytest

from edgepose.cli.app import main


@dataclass(frozen=True)
class Typed:
    """What a typed command left: exit code and both streams."""

    code: int
    out: str
    err: str


@pytest.fixture
def type_command(monkeypatch, capfd):
    """``type_command("targets", "--json")`` runs the command in this process, as a user would."""

    def run(*words) -> Typed:
        monkeypatch.setattr("sys.argv", ["edgepose", *map(str, words)])
        monkeypatch.setenv("COLUMNS", "200")
        capfd.readouterr()
        code = main()
        captured = capfd.readouterr()
        assert "Traceback" not in captured.out + captured.err
        return Typed(code, captured.out, captured.err)

    return run
