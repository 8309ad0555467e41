"""Einsum equations against NumPy's einsum, and the dense layer that is given by one."""

import numpy as np
import pytest

from xception.layers import EinsumDense
from xception.layers.operations.equations import MAX_EQUATION_CHARACTERS, parse_equation

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("equation", "shapes"),
    [
        ("abc,cd->abd", [(2, 3, 4), (4, 5)]),
        ("...x,xy->...y", [(2, 3, 4), (4, 5)]),
        ("aecd,abcd->acbe", [(2, 3, 4, 5), (2, 6, 4, 5)]),
        ("ab...,bc->ac...", [(2, 3, 4), (3, 5)]),
        ("...ij,...jk", [(2, 3, 4, 5), (2, 3, 5, 6)]),
        ("...a,...a->...", [(2, 3, 4), (3, 4)]),  # aligned at the last axis
        ("ba,cb", [(2, 3), (4, 2)]),  # without "->": the labels that occur once, sorted
        ("abc,ad->ac", [(2, 3, 4), (2, 7)]),  # b and d are summed alone
        ("ab,c->ab", [(2, 3), (4,)]),
        ("a,b->ba", [(2,), (3,)]),
        ("abc->ca", [(2, 3, 4)]),
        ("ab->", [(2, 3)]),
    ],
)
def test_equations_compute_what_numpy_does(equation, shapes):
    arrays = [RNG.normal(size=shape) for shape in shapes]
    parsed = parse_equation(equation, [len(shape) for shape in shapes])
    y, expected = parsed.forward(*arrays), np.einsum(equation, *arrays)
    assert parsed.output_shape(*shapes) == expected.shape
    np.testing.assert_allclose(y, expected, atol=1e-12)


@pytest.mark.parametrize(
    ("equation", "ranks", "reason"),
    [
        ("aab,bc->ac", (3, 2), "twice"),
        ("ab,bc->aa", (2, 2), "twice"),
        ("ab,bc->ad", (2, 2), "label that no operand has"),
        ("ab,bc->ac", (3, 2), "does not fit"),
        ("ab,bc,cd->ad", (2, 2, 2), "one or two operands"),
        ("ab,bc->ac", (2,), "for 2 operand"),
        ("a1,1c->ac", (2, 2), "must be like"),
        ("......a->a", (3,), "must be like"),
        ("...a,a->...", (40, 1), "more than 16 axes"),
        ("a" * (MAX_EQUATION_CHARACTERS + 1), (1,), "must be text"),
        (None, (1,), "must be text"),
    ],
)
def test_other_equations_are_refused(equation, ranks, reason):
    with pytest.raises(ValueError, match=reason):
        parse_equation(equation, ranks)


def test_sizes_of_a_label_must_agree():
    parsed = parse_equation("ab,bc->ac", (2, 2))
    with pytest.raises(ValueError, match="sizes 3 and 4"):
        parsed.output_shape((2, 3), (4, 5))
    assert parsed.output_shape((None, None), (4, 5)) == (None, 5)


@pytest.mark.parametrize(
    ("layer", "shape", "kernel", "bias", "out"),
    [
        (EinsumDense("abc,cd->abd", (None, 5), bias_axes="d"), (3, 4), (4, 5), (5,), (3, 5)),
        (EinsumDense("abc,cd->abd", (3, 5), bias_axes="bd"), (3, 4), (4, 5), (3, 5), (3, 5)),
        (EinsumDense("abc,cde->abde", (None, 2, 5), bias_axes="d"), (3, 4), (4, 2, 5), (2, 1), (3, 2, 5)),
        (EinsumDense("...x,xy->...y", 5, bias_axes="y"), (2, 3, 4), (4, 5), (5,), (2, 3, 5)),
        (EinsumDense("ab...,bc->ac...", 5, bias_axes="c"), (3, 4, 2), (3, 5), (5, 1, 1), (5, 4, 2)),
        (EinsumDense("abc,cd->abd", (None, 5)), (None, 4), (4, 5), None, (None, 5)),
    ],
)
def test_shapes_of_the_dense_layer_are_keras_s(layer, shape, kernel, bias, out):
    shapes = {name: parameter.shape for name, parameter in layer.parameters(shape).items()}
    assert shapes == {"kernel": kernel} | ({"bias": bias} if bias else {})
    assert layer.output_shape(shape) == out


@pytest.mark.parametrize(
    ("settings", "shape", "reason"),
    [
        (("abc,cd->abd", (7, 5)), (3, 4), "does not fit an input"),
        (("abc,cd->abd", 5), (3, 4), "does not fit"),
        (("abc,cd->bad", (None, 5)), (3, 4), "must be the batch"),
        (("abc,cd->abd", (None, 5)), (3, None), "known sizes"),
        (("abc,cd->abd", (None, 5), "linear", "z"), (3, 4), "bias_axes"),
        (("ab,...->ab", 5), (3,), "equation must be like"),
    ],
)
def test_settings_that_do_not_fit_are_refused(settings, shape, reason):
    with pytest.raises(ValueError, match=reason):
        EinsumDense(*settings).parameters(shape)
