"""How well a bundle finds joints: data sets, PCKh, agreement with a reference, intervals for all of it."""
