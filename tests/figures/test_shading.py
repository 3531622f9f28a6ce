import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgepose.figures.body import solid
from edgepose.figures.shading import NOTHING, Capsule, Group, Layers, Light, crease_shade, draw_group

SIZE = 48
LIGHT = Light(np.array([0.0, 0.0, 1.0]), diffuse=0.5, ambient=0.5, tint=np.ones(3))
WHITE = solid(np.ones(3, np.float32))
POSITION = st.tuples(*[st.floats(-0.3, 0.3)] * 3).map(np.array)
RADIUS = st.floats(0.03, 0.2)


def drawn(*capsules, gloss=0.0):
    layers = Layers(np.zeros((SIZE, SIZE, 3), np.float32), np.full((SIZE, SIZE), NOTHING, np.float32))
    draw_group(
        layers,
        Group(list(capsules), np.zeros(3), gloss=gloss, smoothing=0.0),
        float(SIZE),
        np.array([SIZE / 2, SIZE / 2]),
        LIGHT,
    )
    return layers


def depth_by_search(capsule, steps=4001):
    """The capsule's depth from its definition: the nearest of many spheres."""
    grid = (np.arange(SIZE) + 0.5 - SIZE / 2) / SIZE
    x, y = grid[None, :], grid[:, None]
    depth = np.full((SIZE, SIZE), -np.inf)
    for t in np.linspace(0, 1, steps):
        centre = capsule.start + t * (capsule.end - capsule.start)
        radius = capsule.start_radius + t * (capsule.end_radius - capsule.start_radius)
        squared = radius**2 - (x - centre[0]) ** 2 - (y - centre[1]) ** 2
        depth = np.maximum(depth, np.where(squared > 0, centre[2] + np.sqrt(np.maximum(squared, 0)), -np.inf))
    return depth


@settings(deadline=None, max_examples=25)
@given(start=POSITION, end=POSITION, start_radius=RADIUS, end_radius=RADIUS)
def test_depth_is_that_of_the_nearest_sphere(start, end, start_radius, end_radius):
    # Seen end-on the capsule is drawn as its two end spheres, which is another contract.
    if np.hypot(*(end - start)[:2]) <= abs(end_radius - start_radius) + 1e-3:
        return
    capsule = Capsule(start, end, start_radius, end_radius, WHITE)
    depth, expected = drawn(capsule).depth, depth_by_search(capsule, 1001)
    covered = depth > NOTHING
    # A pixel at the very rim may fall either way.
    assert (covered != np.isfinite(expected)).mean() < 0.004
    both = covered & np.isfinite(expected)
    assert np.quantile(np.abs(depth[both] - expected[both]), 0.99) < 2e-3


def test_a_capsule_seen_end_on_is_its_nearer_sphere():
    capsule = Capsule(np.array([0, 0, -0.2]), np.array([0, 0, 0.2]), 0.1, 0.2, WHITE)
    assert drawn(capsule).depth.max() == pytest.approx(0.4, abs=1e-3)


def test_the_nearer_capsule_hides_the_farther_one_whatever_the_order():
    red, blue = (solid(np.array(colour, np.float32)) for colour in ([0, 0, 1], [1, 0, 0]))
    near = Capsule(np.array([-0.1, 0, 0.3]), np.array([0.1, 0, 0.3]), 0.1, 0.1, red)
    far = Capsule(np.array([-0.2, 0, 0]), np.array([0.2, 0, 0]), 0.15, 0.15, blue)
    one, other = drawn(near, far), drawn(far, near)
    np.testing.assert_array_equal(one.colour, other.colour)
    centre = one.colour[SIZE // 2, SIZE // 2]
    assert centre[2] > 0.5
    assert centre[0] == 0


def test_a_surface_that_faces_the_light_is_the_brightest():
    layers = drawn(Capsule(np.array([-0.05, 0, 0]), np.array([0.05, 0, 0]), 0.3, 0.3, WHITE))
    brightness = layers.colour.sum(2)
    rim = brightness[(layers.depth > NOTHING) & (layers.depth < 0.1)]
    assert brightness[SIZE // 2, SIZE // 2] == pytest.approx(brightness.max(), rel=1e-3)
    assert rim.max() < 0.9 * brightness.max()


def test_creases_are_darkened_and_nothing_else_is():
    depth = np.full((64, 64), NOTHING, np.float32)
    depth[8:56, 8:56] = 0.0
    assert (crease_shade(depth, reach=2, strength=0.5) == 1).all()
    depth[8:56, 32:56] = 0.2
    shade = crease_shade(depth, reach=2, strength=0.5)
    assert shade[30, 31] < 0.8
    assert shade[30, 10] == 1
    assert (shade[:8] == 1).all()
