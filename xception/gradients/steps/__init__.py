"""Steps of a training pass: one or a few layers, computed forward and backward on reserved arrays.

The rules of `gradients.rules` are the reference. A step gives the same numbers but for rounding, with fewer
passes over memory.
"""
