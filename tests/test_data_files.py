import pytest

from edgepose.data_files import data_folder
from edgepose.runtime.errors import EdgeposeError


def test_the_shipped_folders_are_found_and_others_are_not():
    assert (data_folder("calibration") / "demo.toml").is_file()
    assert any(data_folder("targets").glob("*.toml"))
    with pytest.raises(EdgeposeError, match="'absent'"):
        data_folder("absent")
