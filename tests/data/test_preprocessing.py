"""The record of how a model was trained to see photographs."""

import dataclasses

import pytest

import xception
from xception.data.preprocessing import Preprocessing


def test_what_is_not_recorded_is_not_written():
    assert Preprocessing().to_dict() == {}
    record = Preprocessing(scaling="unit", from_logits=False)
    assert record.to_dict() == {"scaling": "unit", "from_logits": False}
    assert Preprocessing.from_dict(record.to_dict()) == record
    record = Preprocessing(interpolation="tf-bilinear", aspect="pad", exif="ignore")
    assert record.to_dict() == {"interpolation": "tf-bilinear", "aspect": "pad", "exif": "ignore"}
    assert Preprocessing.from_dict(record.to_dict()) == record


def test_names_of_later_versions_are_ignored():
    assert Preprocessing.from_dict({"scaling": "tf", "rotation": 90}) == Preprocessing(scaling="tf")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"scaling": "caffe"}, "scaling must be one of tf, unit, none, got 'caffe'"),
        ({"scaling": 3}, "scaling must be one of"),
        ({"interpolation": "cubic"}, "interpolation must be one of nearest, bilinear"),
        ({"aspect": "squash"}, "aspect must be one of stretch, crop, pad, got 'squash'"),
        ({"exif": True}, "exif must be one of upright, ignore, got True"),
        ({"channel_order": "gbr"}, "channel_order must be one of rgb, bgr, got 'gbr'"),
        ({"from_logits": "yes"}, "from_logits must be True, False or None, got 'yes'"),
        ({"from_logits": 1}, "from_logits must be True, False or None, got 1"),
    ],
)
def test_values_that_are_not_valid(values, message):
    with pytest.raises(ValueError, match=message):
        Preprocessing(**values)


def test_a_record_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        xception.Preprocessing().scaling = "tf"
