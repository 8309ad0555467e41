"""A small classifier whose explanations can be computed by hand, and shortcuts to explain it."""

import small_models

from xception import Classifier
from xception.explanation.explainer import Explainer
from xception.layers import Conv2D, GlobalAveragePooling2D, Input

METHODS = ("grad-cam", "score-cam", "occlusion")


def maps_then_classes(*head, scaling=()):
    """A model with eight maps of 4×4, and then a head."""
    return small_models.model(
        small_models.row(
            "small", ("image", Input((12, 12, 3))), *scaling, ("maps", Conv2D(8, 3, 3, activation="relu")),
            ("pooled", GlobalAveragePooling2D()), *head,
        )
    )  # fmt: skip


def explain_inputs(model, x, *, class_names=None, scaling="auto", **options):
    """Explain images that are scaled already."""
    classifier = Classifier(model, class_names=class_names, scaling=scaling)
    return Explainer(classifier, **options).explain_inputs(x, verbose=0)


def activations(model, x, name="maps"):
    """The activation of a node, by the plain forward pass."""
    return model.graph.evaluate(model.parameters, x, [name])[name]
