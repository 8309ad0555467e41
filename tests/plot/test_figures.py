"""Figures of filters, maps, evaluations, trainings and similar photographs."""

import itertools
import pickle

import numpy as np
import pytest
import small_models

import xception
from xception import plot
from xception.explanation.lettering import path_for
from xception.feature_extraction.similarity import Neighbor, SimilarPhotographs
from xception.layers import BatchNormalization, Conv2D, GlobalAveragePooling2D, Input, SeparableConv2D
from xception.plot import figures
from xception.prediction.evaluation import Evaluation
from xception.prediction.label_evaluation import LabelEvaluation
from xception.prediction.regression_evaluation import RegressionEvaluation
from xception.training import History
from xception.training.fine_tuning.report import FineTuning, Validation
from xception.training.fine_tuning.task_objective import Figures

pytest.importorskip("matplotlib", reason="matplotlib is not installed")


@pytest.fixture(scope="module")
def model():
    return small_models.model(
        small_models.row(
            "small", ("image", Input((24, 24, 3))), ("first", Conv2D(6, 3)), ("second", Conv2D(4, 3)),
            ("separable", SeparableConv2D(5, 3)), ("pointwise", Conv2D(3, 1)), ("norm", BatchNormalization()),
            ("pool", GlobalAveragePooling2D()),
        )
    )  # fmt: skip


def evaluation(names, labels, predicted):
    count = len(labels)
    return Evaluation(
        tuple((str(i), name) for i, name in enumerate(names)), np.array(labels), np.array(predicted),
        np.ones(count, np.float32), None, None, [None] * count, list(range(count)), [],
    )  # fmt: skip


def history():
    history = History()
    for epoch in range(3):
        history.append(epoch, {"loss": 1 / (epoch + 1), "accuracy": 0.5, "val_loss": float("nan")})
    return history


def titles(figure):
    return [axes.get_title() for axes in figure.axes if axes.get_title()]


def test_figures_are_shown_by_notebooks_and_drawn_without_pyplot(model):
    import sys

    figure = plot.filters(model)
    assert figure._repr_png_().startswith(b"\x89PNG")
    assert pickle.loads(pickle.dumps(figure))._repr_png_().startswith(b"\x89PNG")
    assert "matplotlib.pyplot" not in sys.modules


# --- filters --------------------------------------------------------------------------------


def test_the_first_convolution_is_shown_in_colors(model):
    figure = plot.filters(model)
    pictures = [axes.images[0].get_array() for axes in figure.axes]
    assert [picture.shape for picture in pictures] == [(3, 3, 3)] * 6
    assert titles(figure) == [str(i) for i in range(6)]
    kernel = model.parameters["first"]["kernel"]
    np.testing.assert_allclose(pictures[2], 0.5 + kernel[..., 2] / (2 * np.abs(kernel).max()), atol=1e-6)


@pytest.mark.parametrize(("layer", "count"), [("second", 4), ("separable", 4)])
def test_other_filters_are_on_one_scale_around_0(model, layer, count):
    figure = plot.filters(model, layer)
    images = [axes.images[0] for axes in figure.axes if axes.get_title()]
    assert len(images) == count
    (limits,) = {image.get_clim() for image in images}
    assert limits[0] == -limits[1]
    assert {image.get_cmap().name for image in images} == {"PuOr"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"layer": "pointwise"},
            "pointwise has no filters larger than 1×1, expected one of first, sec",
        ),
        ({"layer": "frist"}, "did you mean first"),
        ({"n": 0}, "n must be at least 1"),
        ({"channel": 3}, "channel must be below 3"),
    ],
)
def test_filters_that_are_not_there(model, arguments, message):
    with pytest.raises(ValueError, match=message):
        plot.filters(model, **arguments)


# --- activations ----------------------------------------------------------------------------


def test_maps_that_vary_most_come_first_beside_the_photograph(model, examples):
    figure = plot.activations(model, examples / "coffee.jpg", "second", n=3)
    pixels = xception.load_image(examples / "coffee.jpg", (24, 24))
    np.testing.assert_array_equal(figure.axes[0].images[0].get_array(), pixels)
    maps = model.activations(xception.preprocess_input(pixels[None]), "second")["second"][0]
    order = np.argsort(-maps.std(axis=(0, 1)))[:3]
    shown = [axes.images[0].get_array() for axes in figure.axes[1:4]]
    np.testing.assert_allclose(shown, np.moveaxis(maps[..., order], -1, 0), rtol=1e-4, atol=1e-4)
    assert titles(figure) == ["photograph", *map(str, order)]


def test_each_of_several_layers_has_its_row_and_scale(model, examples):
    figure = plot.activations(model, examples / "coffee.jpg", ["first", "norm"], n=2)
    lefts = [axes.get_title(loc="left").strip() for axes in figure.axes]
    assert [left for left in lefts if left] == ["first", "norm"]


def test_a_layer_without_maps_is_refused(model, examples):
    with pytest.raises(ValueError, match=r"pool gives \(None, 3\), expected maps \(None, height, width, ch"):
        plot.activations(model, examples / "coffee.jpg", "pool")


def test_several_photographs_are_refused(model, examples):
    with pytest.raises(TypeError, match="an image is a path"):
        plot.activations(model, [examples / "coffee.jpg"])


# --- confusion ------------------------------------------------------------------------------


def test_a_confusion_matrix_has_counts_and_only_the_classes_that_occur():
    figure = evaluation(["cat", "never", "dog $x$"], [0, 0, 0, 2], [0, 0, 2, 2]).plot()
    axes = figure.axes[0]
    np.testing.assert_allclose(axes.images[0].get_array(), [[2 / 3, 1 / 3], [0, 1]])
    assert [label.get_text() for label in axes.get_yticklabels()] == ["cat", "dog $x$"]
    assert [text.get_text() for text in axes.texts] == ["2", "1", "1"]
    figure._repr_png_()


def test_many_classes_have_no_numbers_in_the_cells():
    labels = list(range(30))
    figure = plot.confusion(evaluation([f"class {i}" for i in labels], labels, labels))
    assert not figure.axes[0].texts


def test_axes_that_are_given_are_drawn_in():
    from matplotlib.figure import Figure

    figure = Figure()
    left, _ = figure.subplots(1, 2)
    assert plot.confusion(evaluation(["a", "b"], [0, 1], [0, 1]), ax=left) is figure
    assert left.images


# --- history --------------------------------------------------------------------------------


def test_curves_have_a_panel_for_each_figure():
    figure = history().plot()
    loss, accuracy = figure.axes
    assert (loss.get_title(), accuracy.get_title()) == ("loss", "accuracy")
    assert [line.get_label() for line in loss.lines] == ["training", "validation"]
    np.testing.assert_allclose(loss.lines[0].get_xydata(), [[1, 1], [2, 0.5], [3, 1 / 3]])
    figure._repr_png_()


def test_a_figure_between_two_gaps_is_a_dot():
    history, nan = History(0), float("nan")
    for epoch, (loss, validation) in enumerate([(nan, 0.7), (0.5, 0.6), (nan, nan), (0.25, 0.5)]):
        history.append(epoch, {"loss": loss, "val_loss": validation})
    training, validation = history.plot().axes[0].lines
    assert (training.get_marker(), training.get_markevery()) == ("o", [1, 3])
    assert validation.get_markevery() == [3]


def test_one_epoch_has_one_tick():
    history = History()
    history.append(0, {"loss": 0.5})
    (panel,) = history.plot().axes
    assert panel.get_xticks().tolist() == [1]
    assert panel.lines[0].get_markevery() == [0]


def fine_tuning(model, task="classes"):
    outputs, targets = np.array([[0.9, 0.1], [0.2, 0.8]]), np.array([[1, 0], [1, 0]])
    figures = Figures(task, 0.5, 1.0, 2, 1)
    validation = Validation(task, ("cat", "dog"), figures, outputs, targets, [None, None], [4, 7])
    return FineTuning(model, 2, validation, history(), [], "", [], [])


def test_the_best_epoch_of_a_fine_tuning_is_marked(model):
    figure = fine_tuning(model).plot()
    labels = {line.get_label(): line.get_xdata() for line in figure.axes[0].lines}
    assert set(labels) == {"training", "validation", "best epoch"}
    assert set(labels["best epoch"]) == {2}


def test_a_fine_tuning_of_classes_has_a_confusion_matrix(model):
    assert [text.get_text() for text in plot.confusion(fine_tuning(model)).axes[0].texts] == ["1", "1"]
    with pytest.raises(ValueError, match='the task is "labels", expected "classes"'):
        plot.confusion(fine_tuning(model, "labels"))


# --- similar --------------------------------------------------------------------------------


def test_a_contact_sheet_has_the_query_first_and_the_cosines(examples, tmp_path):
    cat, cup = str(examples / "chelsea.jpg"), str(examples / "coffee.jpg")
    gone = str(tmp_path / "gone.jpg")
    neighbors = [[Neighbor(cup, 0, 0.5), Neighbor(gone, 1, 0.25), Neighbor(None, 2, 0.125)]]
    figure = SimilarPhotographs(neighbors, [cat], [0]).plot()
    assert titles(figure) == ["query", "0.500", "0.250", "0.125"]
    assert [len(axes.images) for axes in figure.axes] == [1, 1, 0, 0]
    assert [axes.texts[0].get_text() for axes in figure.axes[2:]] == ["photograph 1", "photograph 2"]


def test_no_queries_give_an_empty_figure():
    assert plot.similar(SimilarPhotographs([], [], [])).axes == []


# --- mistakes -------------------------------------------------------------------------------


def test_a_sheet_of_mistakes_has_the_worst_first_and_says_what_is_right(examples, tmp_path):
    paths = [str(examples / "chelsea.jpg"), str(examples / "coffee.jpg"), str(tmp_path / "gone.jpg"), None]
    scores = np.array([0.6, 0.9, 0.7, 0.8], np.float32)
    answers = np.array([1, 1, 0, 0])
    long = "a name of over twenty-six characters"
    names = (("0", "cat"), ("1", long))
    result = Evaluation(names, np.array([0, 1, 1, 1]), answers, scores, None, None, paths, [0, 1, 2, 3], [])
    figure = result.plot_mistakes()
    assert titles(figure) == [
        "a name of ov…x characters\ntaken for cat\nscore 0.800",
        "a name of ov…x characters\ntaken for cat\nscore 0.700",
        "cat\ntaken for a name o…racters\nscore 0.600",
    ]  # fmt: skip
    assert [len(axes.images) for axes in figure.axes] == [0, 0, 1]
    assert [axes.texts[0].get_text() for axes in figure.axes[:2]] == ["photograph 3", "photograph 2"]
    assert titles(result.plot_mistakes(1)) == titles(figure)[:1]
    figure._repr_png_()


def test_mistakes_in_labels_and_numbers():
    names, where = (("0", "dog"), ("1", "sea")), ([None, None], [0, 1], [])
    truth = np.array([[True, False], [False, False]])
    scores = np.array([[0.25, 0.875], [0, 0.125]], np.float32)
    assert titles(LabelEvaluation(names, truth, scores, 0.5, *where).plot_mistakes()) == [
        "without sea\nscore 0.875", "dog\nscore 0.250",
    ]  # fmt: skip
    targets, numbers = np.array([[1.0, 5.0], [3.0, 7.0]]), np.array([[1.5, 5.0], [3.0, 7.0]], np.float32)
    assert titles(RegressionEvaluation(names, targets, numbers, *where).plot_mistakes()) == [
        "dog 1\npredicted 1.5"
    ]


def test_mistakes_of_the_validation_of_a_fine_tuning(model):
    assert titles(fine_tuning(model).plot_mistakes()) == ["cat\ntaken for dog\nscore 0.800"]
    assert titles(plot.mistakes(fine_tuning(model, "labels"))) == [
        "cat\nscore 0.200",
        "without dog\nscore 0.800",
    ]
    assert titles(plot.mistakes(fine_tuning(model, "regression"), 2)) == [
        "cat 1\npredicted 0.2", "dog 0\npredicted 0.8",
    ]  # fmt: skip


def test_photographs_of_a_fine_tuning_without_path_have_their_position(model):
    figure = fine_tuning(model).plot_mistakes()
    assert [text.get_text() for axes in figure.axes for text in axes.texts] == ["photograph 7"]


@pytest.mark.parametrize("name", ["COMMON MERGANSER FEMALE IN FLIGHT", "w" * 300, "\x1b" * 300, "$\\frac$ é"])
def test_no_name_is_wider_than_its_tile(name):
    figure = evaluation([name, "cat", "dog"], [0, 1, 2, 0], [1, 0, 0, 2]).plot_mistakes()
    figure._repr_png_()  # with the layout done
    boxes = [axes.title.get_window_extent() for axes in figure.axes]
    assert all(left.x1 < right.x0 for left, right in itertools.pairwise(boxes))
    assert boxes[0].x0 >= 0
    assert boxes[-1].x1 <= figure.bbox.width


@pytest.mark.filterwarnings("error")  # glyphs that are missing, a layout that failed
def test_a_confusion_matrix_takes_names_of_any_width_and_script(monkeypatch):
    monkeypatch.setattr(figures, "path_for", lambda text: None if "猫" in text else path_for(text))
    figure = evaluation(["W" * 60, "猫", "ß"], [0, 1, 2], [1, 0, 2]).plot()
    names = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert names[1:] == ["class 1", "ß"]
    assert names[0].startswith("WWWW")
    figure._repr_png_()
    assert figure.axes[0].get_window_extent().width > 90
    assert figure.axes[0].yaxis.label.get_window_extent().x0 >= 0


def test_no_mistakes_give_a_figure_that_says_so():
    figure = evaluation(["a", "b"], [0, 1], [0, 1]).plot_mistakes()
    assert figure.axes == []
    assert [text.get_text() for text in figure.texts] == ["no mistakes"]


def test_more_mistakes_than_a_sheet_holds_are_refused():
    with pytest.raises(ValueError, match="n must be from 1 to 48, got 49"):
        evaluation(["a", "b"], [0, 1], [0, 0]).plot_mistakes(49)


# --- what is refused ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: plot.confusion([1]),
            "expected an Evaluation, got list; labels and numbers have no",
        ),
        (
            lambda: plot.history({"loss": [1]}),
            "expected the History that Trainer.fit returns, or a Fine",
        ),
        (lambda: plot.similar([]), "expected what xception.similar returns, got list"),
        (lambda: plot.mistakes([]), "expected what evaluate or fine_tune returns, got list"),
        (lambda: plot.filters(3), "model must be a Model"),
        (lambda: plot.history(history(), fig=3), "fig must be a matplotlib figure, got int"),
        (lambda: plot.confusion(evaluation(["a"], [0], [0]), ax=3), "ax must be the axes of a matplotlib"),
    ],
)
def test_other_objects_are_refused(call, message):
    with pytest.raises(TypeError, match=message):
        call()


def test_a_history_without_epochs_is_refused():
    with pytest.raises(ValueError, match="the history has no epochs yet"):
        History().plot()
