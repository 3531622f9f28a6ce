"""What the documentation tells people to type is typed, and what it tells them to program runs."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import cv2
import pytest

from edgepose.cli.app import app
from edgepose.targets import all_targets

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def code_blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)


def block_after(marker: str) -> str:
    text = (ROOT / "README.md").read_text()
    found = re.search(rf"<!-- {marker} -->\n```\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert found, f"README.md has no {marker}"
    return found.group(1)


def test_the_first_pose_of_the_readme(tmp_path, monkeypatch):
    """All but the installation, without a network, and then the program of the README on what the commands left."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("EDGEPOSE_REFERENCE", raising=False)
    monkeypatch.setenv("EDGEPOSE_WEIGHTS", str(tmp_path / "weights"))
    for name in ("https_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # the discard port: nobody listens
    monkeypatch.setenv("EDGEPOSE_CACHE", str(tmp_path / "cache"))
    typed = [words.strip() for words in block_after("first pose command").replace("\n", " ").split("&&")]
    for words in typed:
        if words.startswith(".venv/bin/edgepose"):
            done = subprocess.run(
                [sys.executable, "-m", "edgepose", *shlex.split(words)[1:]], capture_output=True, text=True
            )
            assert done.returncode == 0, done.stderr
            if "convert" in words:
                assert "edgepose weights fetch RT" in " ".join(done.stderr.split())
    picture, overlay = cv2.imread("figure.png"), cv2.imread("pose.png")
    assert overlay.shape == picture.shape
    assert (overlay != picture).any(axis=2).mean() > 0.01
    (program,) = code_blocks(ROOT / "README.md", "python")
    names: dict[str, object] = {}
    exec(program, names)  # our own README
    x, y = names["x"], names["y"]
    assert 0 <= x <= picture.shape[1]
    assert 0 <= y <= picture.shape[0]


def test_the_program_of_the_calibration_page_runs():
    (program,) = code_blocks(ROOT / "docs" / "calibrate.md", "python")
    names: dict[str, object] = {}
    exec(program, names)  # our own page
    assert names["crop"].image.shape == (320, 320, 3)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_edgepose_command_and_option_in_the_pages_exists(page):
    options = {name: _options(command) for name, command in _commands().items()}
    text = "\n".join([*code_blocks(page, ""), *re.findall(r"`(edgepose [a-z][^`\n]*)`", page.read_text())])
    commands = re.findall(r"^(?:\.venv/bin/)?edgepose ([a-z][^\n#|&]*)", text, re.MULTILINE)
    for words in commands:
        name, *rest = re.split(r"[\s…,]+", words.strip())
        assert name in options, f"{page.name}: there is no command 'edgepose {name}'"
        for word in rest:
            if word.startswith("--"):
                assert word.split("=")[0] in options[name], f"{page.name}: 'edgepose {name}' has no {word}"


def test_links_between_the_pages_lead_somewhere():
    for page in PAGES:
        for link in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
            assert (page.parent / link).exists(), f"{page.name} links to {link}"


def test_every_target_is_named_on_a_page():
    text = "".join(page.read_text() for page in PAGES)
    assert [name for name in all_targets() if f"`{name}`" not in text] == []


def _commands():
    import typer

    return typer.main.get_command(app).commands


def _options(command) -> set[str]:
    found = {option for parameter in command.params for option in parameter.opts}
    for nested in getattr(command, "commands", {}).values():
        found |= _options(nested)
    return found | {"--help", "--json"}
