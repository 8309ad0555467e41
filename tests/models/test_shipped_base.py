"""The shipped ImageNet base."""

import numpy as np

import xception


def test_the_shipped_base_is_whole():
    from xception.models import pretrained

    assert pretrained.BASE.is_whole(pretrained.shipped_base())


def test_features_of_similar_photographs_are_similar(base, examples):
    """Two crops of one photograph are nearer to each other than to any other photograph."""
    names = ("chelsea", "coffee", "astronaut", "rocket")
    cuts = []
    for name in names:
        photo = xception.load_image(examples / f"{name}.jpg", None)
        cuts += [photo, photo[10:-20, 30:-10][:, ::-1]]
    x = np.stack([xception.load_image(cut) for cut in cuts])
    features = base.predict(xception.preprocess_input(x))
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    likeness = features @ features.T - 2 * np.eye(len(cuts))
    assert likeness.argmax(axis=1).tolist() == [1, 0, 3, 2, 5, 4, 7, 6]
