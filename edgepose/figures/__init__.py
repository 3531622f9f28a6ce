"""Pictures of people who do not exist, joints known: stand-ins where no photograph may be shipped."""

from edgepose.figures.demo import DemoRecipe, demo_recipe, demo_set
from edgepose.figures.render import RenderedFigure, render_figure

__all__ = ["DemoRecipe", "RenderedFigure", "demo_recipe", "demo_set", "render_figure"]
