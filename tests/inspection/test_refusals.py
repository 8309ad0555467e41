"""Every layer that is refused, with its reason."""

import pytest
from inspected_files import find_layer, make_lambda, with_config

from xception.inspection.inspector import inspect
from xception.inspection.refusals import list_refusals


def test_every_layer_that_is_refused_is_named(file):
    def spoil(config):
        make_lambda(config)
        inner = find_layer(find_layer(config, "base"), "block1_conv1")
        inner["config"]["data_format"] = "channels_first"
        find_layer(config, "dropout")["class_name"] = "Drop"
        find_layer(config, "classes")["registered_name"] = "my_package>Dense"

    inspection = inspect(with_config(file, spoil))
    assert [reason.partition(")")[0] for reason in inspection.reasons] == [
        "nested: scaled (Lambda",
        "nested: base: block1_conv1 (Conv2D",
        "nested: dropout (Drop",
        "nested: classes (Dense",
    ]
    assert "'Drop' is not a supported layer. If it is a class of your own" in inspection.reasons[2]
    assert "supported:" not in inspection.reasons[2]
    assert "because     nested: dropout (Drop)" in str(inspection)


@pytest.mark.parametrize(
    "described",
    [
        {}, {"class_name": "Functional"}, {"class_name": "Functional", "config": None},
        {"class_name": "Functional", "config": {"layers": [None, 3, "x"]}},
        {"class_name": "Sequential", "config": [{"class_name": ["Dense"], "config": {}}]},
        {"class_name": "Functional", "config": {"layers": {"a": 1}, "output_layers": 7, "name": {}}},
        {"class_name": "Functional", "config": {"layers": [{"class_name": "InputLayer", "config": 1}]}},
    ],
)  # fmt: skip
def test_configs_that_make_no_sense(file, described):
    assert list_refusals(described, 3) == []

    def replace(config):
        config.clear()
        config.update(described)

    inspection = inspect(with_config(file, replace))
    assert not inspection.runs
    assert len(inspection.reasons) == 1
    assert inspection.arrays
    str(inspection)
