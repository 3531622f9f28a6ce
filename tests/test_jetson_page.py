"""docs/jetson.md names every error that the TensorRT back end raises."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SHORTEST = 9  # a piece that tells one error from another
ERRORS = ("EdgeposeError", "EngineError", "MissingTensorRtError")


def messages() -> dict[str, list[str]]:
    """What each error says, by where it is raised: the pieces of it that are the same every time."""
    found = {}
    for path in sorted((ROOT / "edgepose" / "runtime" / "backends" / "tensorrt").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call) or getattr(node.func, "id", None) not in ERRORS:
                continue
            message = node.args[0]
            if isinstance(message, ast.Call):
                message = message.func.value
            if isinstance(message, ast.Constant):
                pieces = re.split(r"\{[^}]*\}", message.value)
                pieces = [piece.strip(" :;'\"(),") for piece in pieces]
                found[f"{path.name}:{node.lineno}"] = [piece for piece in pieces if len(piece) >= SHORTEST]
    return found


def test_every_error_of_the_back_end_is_on_the_page():
    page = (ROOT / "docs" / "jetson.md").read_text()
    known = messages()
    assert len(known) > 25
    missing = {where: pieces for where, pieces in known.items() if not any(piece in page for piece in pieces)}
    assert missing == {}
