"""Trying many values: grids over up to three inputs, their order, their sheet, and going on with what is missing."""
