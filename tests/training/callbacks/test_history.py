"""History of a training, and its curves as a picture."""

import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from xception.training.callbacks.curves import draw_curves, ticks
from xception.training.callbacks.history import History

NAMESPACE = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def history():
    history = History()
    history.append(0, {"loss": 2.0, "val_loss": 2.5})
    history.append(1, {"loss": 1.0, "val_loss": 1.5, "accuracy": 0.5})
    history.append(2, {"loss": 0.5, "val_loss": float("nan"), "accuracy": 0.75})
    return history


def test_each_figure_has_a_number_for_each_epoch(history):
    assert history.epoch == [0, 1, 2]
    assert history.history["loss"] == [2, 1, 0.5]
    assert history.history["accuracy"] == pytest.approx([float("nan"), 0.5, 0.75], nan_ok=True)


def test_a_history_is_shown_as_a_table(history):
    assert str(history).splitlines() == [
        "epoch  loss  val_loss  accuracy",
        "    1     2       2.5         –",
        "    2     1       1.5       0.5",
        "    3   0.5         –      0.75",
    ]
    assert repr(history) == "<History: 3 epochs of loss, val_loss, accuracy>"
    assert str(History()) == "epoch"


def test_a_history_that_begins_before_training_counts_from_0():
    history = History(shown_from=0)
    history.append(0, {"val_loss": 2.0})
    history.append(1, {"val_loss": 1.0})
    assert str(history).splitlines() == ["epoch  val_loss", "    0         2", "    1         1"]
    texts = [element.text for element in ElementTree.fromstring(history.to_svg()).iter(f"{NAMESPACE}text")]
    assert "0" in texts
    assert "2" not in texts[texts.index("epoch") - 2 :]


def test_small_numbers_at_the_axis_are_short():
    picture = ElementTree.fromstring(draw_curves([0, 1], {"learning_rate": [0.00015, 0.00018]}))
    texts = [element.text for element in picture.iter(f"{NAMESPACE}text")]
    assert "1.5e-4" in texts
    assert "1.8e-4" in texts


def test_training_and_validation_are_curves_of_one_panel(history):
    picture = ElementTree.fromstring(history._repr_html_())
    titles = [t.text for t in picture.iter(f"{NAMESPACE}text") if t.get("class") == "title"]
    assert titles == ["loss", "accuracy"]
    curves = [path.get("class") for path in picture.iter(f"{NAMESPACE}path")]
    assert curves == ["training", "validation", "training"]
    assert picture.find(f"{NAMESPACE}title").text.endswith("loss 0.5, val_loss nan, accuracy 0.75")


def test_colors_are_in_attributes_for_programs_that_know_no_rules(history):
    picture = ElementTree.fromstring(history.to_svg(standalone=True))
    assert picture.get("style") is None
    assert "var(" not in history.to_svg()
    drawn = [element for kind in ("path", "line") for element in picture.iter(f"{NAMESPACE}{kind}")]
    assert all(element.get("stroke").startswith("#") for element in drawn)


def test_a_curve_lies_between_its_axes_with_gaps_where_it_is_not_a_number():
    picture = ElementTree.fromstring(draw_curves(range(4), {"loss": [1.0, float("inf"), 0.0, 0.5]}))
    (path,) = picture.iter(f"{NAMESPACE}path")
    assert path.get("d") == "M0.0 0.0h0M226.7 210.0h0L340.0 105.0"


@pytest.mark.parametrize("values", [[], [0.5], [3, 3], [float("nan")], [1e-30, 2e-30], [1e300, -1e300]])
def test_any_curve_can_be_drawn(values):
    ElementTree.fromstring(draw_curves(range(len(values)), {"<loss & more>": values}))


def test_ticks_are_round_and_enclose_the_curve():
    assert ticks(0.13, 0.87) == [0, 0.2, 0.4, 0.6, 0.8, 1]
    assert ticks(1, 17) == [0, 5, 10, 15, 20]
    assert ticks(0, 1) == [0, 0.2, 0.4, 0.6, 0.8, 1]
    assert ticks(2.0, 2.0)[0] <= 2 <= ticks(2.0, 2.0)[-1]


def test_curves_are_written_as_a_picture(history, tmp_path):
    history.save(tmp_path / "curves.svg")
    assert (tmp_path / "curves.svg").read_text("utf-8") == history.to_svg(standalone=True)
    with pytest.raises(ValueError, match=r"curves are written as \.svg"):
        history.save(tmp_path / "curves.png")


@pytest.mark.parametrize(
    ("low", "high"),
    [
        (2 / 3, np.nextafter(2 / 3, 1)),
        (0.1234567890123, 0.1234567890124),
        (0, 5e-324),
        (-1e300, 1e300),
        (0, 0),
    ],
)
def test_ticks_are_apart_whatever_the_numbers(low, high):
    found = ticks(low, high)
    assert found[0] <= low <= high <= found[-1]
    assert 2 <= len(set(found)) == len(found) <= 8


def test_curves_of_numbers_that_hardly_differ_are_flat():
    values = [0.6762194731038794, 0.6762194731038795, 0.6762194731038794]
    picture = draw_curves(range(3), {"loss": values, "val_loss": [1.7e308, 0.7, -1.7e308]})
    (loss,) = re.findall('<path class="training".* d="M.* ([0-9.]+)h0L.* ([0-9.]+)L.* ([0-9.]+)"', picture)
    assert len(set(loss)) == 1
    assert picture.count("h0") == 2  # of the other, one is a dot


def test_one_epoch_has_its_number_and_two_trainings_one_scale():
    texts = [element.text for element in ElementTree.fromstring(draw_curves([6], {"loss": [0.5]})).iter()]
    assert "7" in texts
    picture = draw_curves([0, 1, 2, 3, 0, 1], {"loss": [5.0, 4, 3, 2, 1, 1]})
    (path,) = re.findall('<path class="training".* d="([^"]*)"', picture)
    x = [float(number) for number in re.findall("[ML]([0-9.]+) ", path)]
    assert (x[0], x[3], x[4]) == (0, max(x), 0)


def test_a_long_name_does_not_reach_the_key():
    picture = draw_curves([0, 1], {"loss" * 20: [1.0, 2], "val_" + "loss" * 20: [1.0, 2]})
    assert ">lossloss" in picture
    assert "loss" * 7 not in re.sub("<title>.*</title>", "", picture)
