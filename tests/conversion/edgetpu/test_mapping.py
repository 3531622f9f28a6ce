"""What a conversion says of the Edge TPU: the advice, and what it lets pass."""

import pytest
from compiler_logs import success
from fake_compiler import make_compiler, step
from tflite_models import IMAGE, Op, T, tflite, whole_model

from edgepose.conversion.edgetpu.finish import COMPILED_MEMBER
from edgepose.conversion.edgetpu.mapping import map_engine
from edgepose.conversion.edgetpu.operator_rules import UNSUPPORTED
from edgepose.conversion.edgetpu.options import EdgeTpuOptions
from edgepose.network.variants import get_variant
from edgepose.runtime.errors import GateError

NO_OPTIONS = EdgeTpuOptions()
SWISH = tflite(
    {"x": T(IMAGE), "s": T(IMAGE), "y": T(IMAGE)},
    [Op("LOGISTIC", ("x",), ("s",), 2), Op("MUL", ("x", "s"), ("y",), 2)],
)
UNMAPPED = tflite({"x": T(IMAGE), "y": T(IMAGE)}, [Op("HARD_SWISH", ("x",), ("y",))])


def test_the_lite_variants_are_taken_without_a_word():
    mapping = map_engine(whole_model(), None, NO_OPTIONS, get_variant("RT_LITE"))
    assert mapping.warnings == ()
    assert "2 of 2 operators predicted to map; not compiled" in mapping.note


@pytest.mark.parametrize(("variant", "advised"), [("RT", "RT_LITE"), ("II", "II_LITE"), ("III", "II_LITE")])
def test_the_full_variants_are_advised_against_with_figures_and_work(variant, advised):
    mapping = map_engine(SWISH, None, NO_OPTIONS, get_variant(variant))
    (warning,) = mapping.warnings
    assert "2 of its 2 operators (1 LOGISTIC, 1 MUL)" in warning
    assert f"which {advised} does without" in warning
    assert f"in int8 {advised} keeps 91." in warning


def test_the_lite_variants_must_map_by_prediction():
    with pytest.raises(GateError, match="1 x HARD_SWISH v1: not one of the operators") as caught:
        map_engine(UNMAPPED, None, NO_OPTIONS, get_variant("RT_LITE"))
    assert "--no-require-full-mapping" in str(caught.value.hint)
    mapping = map_engine(UNMAPPED, None, EdgeTpuOptions(full_mapping=False), get_variant("RT_LITE"))
    assert any("not every operator is predicted to map: 1 x HARD_SWISH" in warning for warning in mapping.warnings)


def test_the_compiler_has_the_last_word(tmp_path):
    left = success((("CONV_2D", 1, "Mapped to Edge TPU"), ("CONV_2D", 1, UNSUPPORTED)), left=1)
    compiler = make_compiler(tmp_path, step(left, "partial"), source=whole_model())
    with pytest.raises(GateError, match="does not take the whole engine"):
        map_engine(whole_model(), compiler, NO_OPTIONS, get_variant("RT_LITE"))
    mapping = map_engine(whole_model(), compiler, NO_OPTIONS, get_variant("RT"))
    assert any("the CPU computes what the Edge TPU does not take" in warning for warning in mapping.warnings)
    document = {"engine": {"member": "engine.tflite", "input": {}, "output": {}}, "provenance": {}, "measured": {}}
    applied, members = mapping.applied_to(document, whole_model())
    assert list(members) == [applied["engine"]["member"]] == [COMPILED_MEMBER]
    assert set(applied["measured"]["edgetpu"]) == {"predicted", "compiled"}
    assert document["measured"] == {}
