"""What tells features, photographs and stored rows apart."""

import PIL
import pytest
import small_models

from xception.storage import identity
from xception.storage.identity import fingerprint


@pytest.mark.parametrize(("where", "name"), [(identity, "__version__"), (PIL, "__version__")])
def test_rows_of_other_versions_are_thrown_away(monkeypatch, where, name):
    model = small_models.model(small_models.base())
    before = fingerprint(model)
    monkeypatch.setattr(where, name, "99.0")
    assert fingerprint(model) != before


def test_a_model_whose_weights_were_replaced_has_another_fingerprint():
    model = small_models.model(small_models.base())
    before = fingerprint(model)
    weights = model.get_weights()
    model.set_weights([weight + 1 for weight in weights])
    changed = fingerprint(model)
    model.set_weights(weights)
    assert fingerprint(model) == before != changed


def test_a_fingerprint_is_computed_once(monkeypatch):
    model = small_models.model(small_models.base())
    before = fingerprint(model, "avg")
    monkeypatch.setattr(identity.np, "ascontiguousarray", None)
    assert fingerprint(model, "avg") == before != fingerprint(model, "max")
