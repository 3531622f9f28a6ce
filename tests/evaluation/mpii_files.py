"""MPII's official ``.mat``, written small: the nested structures of the real file, its gaps and its ugly corners."""

import numpy as np
from scipy.io import savemat

EMPTY = np.zeros((0, 0))


def structs(*elements):
    """A Matlab structure array [1, n] of dicts that all have the same fields."""
    fields = list(elements[0])
    array = np.empty((1, len(elements)), [(name, object) for name in fields])
    for index, element in enumerate(elements):
        array[0, index] = tuple(element[name] for name in fields)
    return array


def points(joints):
    """``annopoints`` of {MPII id: (x, y)}; some joints invisible, some without that word, as in the real file."""
    visibility = (1, 0, "1", EMPTY)
    return {
        "point": structs(
            *(
                {"x": float(x), "y": float(y), "id": number, "is_visible": visibility[number % 4]}
                for number, (x, y) in joints.items()
            )
        )
    }


def person(joints, scale=1.0, objpos=(50.0, 60.0), head=(10.0, 10.0, 13.0, 14.0)):
    return {
        **dict(zip(("x1", "y1", "x2", "y2"), head, strict=True)),
        "annopoints": points(joints),
        "scale": scale,
        "objpos": {"x": objpos[0], "y": objpos[1]},
    }


def write_mat(path, pictures, training=None):
    """Write {picture name: annorect} as MPII's ``RELEASE``."""
    annolist = structs(
        *(
            {"image": {"name": name}, "annorect": rectangles, "frame_sec": EMPTY, "vididx": EMPTY}
            for name, rectangles in pictures.items()
        )
    )
    training = [1] * len(pictures) if training is None else training
    release = {
        "annolist": annolist,
        "img_train": np.array([training], np.uint8),
        "version": "12",
        "single_person": structs(*({"ridx": EMPTY} for _ in pictures)),
    }
    savemat(path, {"RELEASE": release}, do_compression=True)
    return path
