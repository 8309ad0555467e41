"""Fine-tuning of a small network on small photographs, end to end."""

import dataclasses
import warnings

import numpy as np
import pytest
import small_models
from PIL import Image
from tuned_stripes import NAMES, PIXELS, assert_same_weights, interrupt_after, resume, small_base, tune

import xception
from xception import formats
from xception.training.fine_tuning.run_file import parameters_digest


def test_the_network_learns_what_its_features_did_not_show():
    result = tune(epochs=10)
    accuracy = result.history.history["val_accuracy"]
    assert result.best_epoch > 0
    assert result.validation.figures.value == max(accuracy) > accuracy[0]
    assert result.history.history["loss"][-1] < result.history.history["loss"][1]


def test_the_printed_figure_is_that_of_evaluate_on_the_saved_file(tmp_path):
    result = tune(output=tmp_path / "m.keras")
    validation = result.validation
    truth = [validation.names[i] for i in validation.targets.argmax(axis=1)]
    # The photographs are arrays: find those of the validation by their outputs.
    scores = xception.load_model(tmp_path / "m.keras").predict(PIXELS / np.float32(127.5) - 1)
    rows = [int(np.abs(scores - output).sum(axis=1).argmin()) for output in validation.outputs]
    assert [NAMES[row] for row in rows] == truth
    evaluation = xception.evaluate([PIXELS[row] for row in rows], truth, tmp_path / "m.keras")
    assert evaluation.correct == validation.figures.correct
    assert f"{evaluation.accuracy:.3f}" in str(result)


def test_the_result_is_never_worse_than_the_solved_head():
    result = tune(epochs=2, learning_rate=3.0)  # which spoils everything
    assert result.best_epoch == 0
    assert result.validation.figures.value == result.history.history["val_accuracy"][0]
    head = tune(epochs=0)
    assert_same_weights(result.model, head.model)


def test_the_same_call_gives_the_same_bits():
    options = {"augment": "flip,brightness,mixup,variants=2", "dropout": 0.3}
    assert_same_weights(tune(**options).model, tune(**options).model)


def test_frozen_layers_and_statistics_stay_and_the_chosen_layers_learn():
    base = small_base()
    result = tune(train="second", epochs=6)
    assert result.best_epoch > 0
    before, after = base.parameters, result.model.parameters
    for node, arrays in before.items():
        for name, array in arrays.items():
            is_trained = node.startswith("second") and not name.startswith("moving")
            assert np.array_equal(array, after[node][name]) != is_trained, (node, name)
    assert result.model.get_layer("second").trainable
    assert not result.model.get_layer("first_bn").trainable


def test_statistics_of_the_batch_move_and_the_weight_of_the_former_ones_is_warned_of(tmp_path):
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("always")
        result = xception.fine_tune(
            PIXELS, NAMES, small_base(), train="all", statistics="batch", epochs=3, batch_size=8,
            learning_rate=3e-3, verbose=0, output=tmp_path / "m.keras",
        )  # fmt: skip
    expected = "after 21 steps, 81% of the moving statistics will still be the old ones"
    assert any(expected in str(warning.message) for warning in shown)
    assert len(result.history.epoch) == 4
    moved = xception.load_model(tmp_path / "m.run.keras").parameters["first_bn"]["moving_mean"]
    assert not np.array_equal(moved, small_base().parameters["first_bn"]["moving_mean"])


# --- interruptions --------------------------------------------------------------------------


def test_a_run_that_is_complete_says_so(tmp_path, capsys):
    tune(output=tmp_path / "part.keras", epochs=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        xception.fine_tune(PIXELS, NAMES, resume=tmp_path / "part.run.keras", verbose=1)
    assert "epoch 1, the last one, was trained before: nothing is left to do" in capsys.readouterr().err


@pytest.mark.parametrize("task", ["classes", "regression"])
def test_a_resumed_run_equals_an_uninterrupted_one(tmp_path, monkeypatch, task):
    labels = NAMES if task == "classes" else {"age": PIXELS.mean(axis=(1, 2, 3)) / 3}
    options = {
        "labels": labels, "task": task, "augment": "flip,mixup,variants=2", "epochs": 4, "dropout": 0.3,
        "optimizer": "sgd",
    }  # fmt: skip
    whole = tune(output=tmp_path / "whole.keras", **options)
    with monkeypatch.context() as patch:
        interrupt_after(patch, 9)
        first = tune(output=tmp_path / "part.keras", **options)
        assert first.ended_by == "interrupted"
        interrupt_after(patch, 5)
        second = resume(tmp_path, labels)
        assert second.ended_by == "interrupted"
    last = resume(tmp_path, labels)
    assert_same_weights(last.model, whole.model)
    for name in whole.history.history.keys() - {"seconds"}:
        np.testing.assert_array_equal(last.history.history[name], whole.history.history[name])
    assert str(last) == str(whole)
    files = [formats.read_training(tmp_path / f"{name}.run.keras") for name in ("part", "whole")]
    for key, slots in files[0][1].slots.items():
        for name, array in slots.items():
            np.testing.assert_array_equal(array, files[1][1].slots[key][name])


def test_the_best_model_is_recognized_where_its_file_lists_layers_in_another_order(tmp_path):
    model = small_models.model(small_models.nested())
    model.save(tmp_path / "nested.keras")
    loaded = xception.load_model(tmp_path / "nested.keras")
    assert list(loaded.graph.nodes) != list(model.graph.nodes)
    assert parameters_digest(loaded) == parameters_digest(model)


def test_what_keras_would_not_know_of_a_run_is_named(tmp_path, capsys):
    tune(output=tmp_path / "m.keras", epochs=1, balanced=True, verbose=1)
    expected = (
        "m.run.keras: Keras can go on training from it, but ignores the rates of single layers, "
        "frozen statistics, class weights"
    )
    assert expected in capsys.readouterr().err


def test_a_run_is_not_resumed_on_other_photographs_or_with_another_model(tmp_path):
    tune(output=tmp_path / "part.keras", epochs=1)
    changed = PIXELS.copy()
    changed[5] = 0
    with pytest.raises(ValueError, match="of a run on 60 other photographs: 1 are new, and 1 are missing"):
        resume(tmp_path, pixels=changed)
    with pytest.raises(ValueError, match="was trained on level, upright; the photographs have a, b"):
        xception.fine_tune(PIXELS, ["a", "b"] * 30, resume=tmp_path / "part.run.keras")
    with pytest.raises(ValueError, match="with other labels or targets for some of these photographs"):
        resume(tmp_path, labels=[*NAMES[1::-1], *NAMES[2:]])
    with pytest.raises(ValueError, match="leave out model, size"):
        xception.fine_tune(PIXELS, NAMES, small_base(), resume=tmp_path / "part.run.keras")
    with pytest.raises(ValueError, match="epochs was 1, got 7; leave it out"):
        resume(tmp_path, epochs=7)
    with pytest.raises(xception.ModelFileError, match="holds no state of training"):
        xception.fine_tune(PIXELS, NAMES, resume=renamed(tmp_path))


def renamed(folder):
    return (folder / "part.keras").rename(folder / "other.run.keras")


def test_photographs_that_cannot_be_read_are_left_out_and_named(tmp_path):
    paths = []
    for number, (pixels, name) in enumerate(zip(PIXELS, NAMES, strict=True)):
        paths.append(tmp_path / f"{name}{number}.png")
        Image.fromarray(pixels).save(paths[-1])
    paths[7].write_bytes(b"no photograph")
    with pytest.raises(xception.ImageError, match="upright7"):
        tune(pixels=paths)
    result = tune(pixels=paths, on_error="skip", output=tmp_path / "part.keras", epochs=2)
    assert [failure.index for failure in result.failures] == [7]
    whole = tune(pixels=np.delete(PIXELS, 7, axis=0), labels=[*NAMES[:7], *NAMES[8:]], epochs=2)
    assert_same_weights(result.model, whole.model)
    again = resume(tmp_path, pixels=paths, on_error="skip")
    assert_same_weights(result.model, again.model)


# --- tasks ----------------------------------------------------------------------------------


def test_numbers_are_learned_in_their_own_unit(capsys):
    ages = PIXELS.mean(axis=(1, 2, 3)) - 100
    result = tune({"age": ages}, task="regression", verbose=1)
    assert "to validate; regression of 1 number; " in capsys.readouterr().err
    predicted = result.model.predict(PIXELS / np.float32(127.5) - 1)[:, 0]
    assert np.abs(predicted - ages).mean() < 3
    assert result.model.task == "regression"
    assert result.model.class_names == (("0", "age"),)
    figures = result.validation
    assert figures.figures.value == pytest.approx(np.abs(figures.outputs - figures.targets).mean())
    assert "MAE of always the median" in str(result)


def test_several_labels_have_a_score_each():
    labels = {"upright": [name == "upright" for name in NAMES], "bright": PIXELS.mean(axis=(1, 2, 3)) > 128}
    result = tune(labels, task="labels", class_weight={"bright": 2.0})
    assert result.model.graph.nodes[result.model.graph.outputs[0]].layer.activation == "sigmoid"
    assert result.model.task == "labels"
    assert 0.5 < result.validation.figures.value <= 1
    assert set(result.history.history) == {"loss", "learning_rate", "seconds", "val_loss", "val_auc"}


# --- folds, weights -------------------------------------------------------------------------


def test_folds_measure_on_all_photographs_and_then_all_of_them_train():
    result = tune(folds=3, epochs=2)
    assert len(result.folds) == 3
    assert sum(figures.count for figures in result.folds) == 60 == result.validation.figures.count
    assert result.validation.confusion.sum() == 60
    assert "3 folds: accuracy" in str(result)


def test_weights_of_classes_have_the_mean_1_and_are_printed(capsys):
    names = ["rare" if i % 10 == 0 else "common" for i in range(60)]
    tune(names, balanced=True, epochs=0, verbose=1)
    assert "0 common: 43 to train, 11 to validate, weight 0.558" in capsys.readouterr().err


# --- refusals -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"train": "exit"}, "means from block13_sepconv1 on, which small does not have"),
        ({"train": "nowhere"}, "small has no layer 'nowhere'"),
        ({"validation": 1.5}, "validation must be"),
        ({"learning_rate": 0.0}, "learning_rate must be above 0"),
        ({"augment": "flop"}, "did you mean flip"),
        ({"class_weight": {"cat": 2.0}}, "cat"),
        ({"statistics": "batch", "batch_size": 1}, "needs a batch_size of at least 2"),
        ({"task": "labels", "labels": {"a": [2] * 60}}, "expected 0 or 1"),
        ({"task": "regression", "labels": None}, "needs labels"),
        ({"task": "labels", "labels": {"a": [1] * 60}, "balanced": True}, "balanced applies to classes"),
        ({"size": 30}, r"takes photographs of 12×12"),
        ({"optimizer": "adem"}, "did you mean 'adam'"),
        ({"output": "m.run.keras"}, r"expected a name that ends in \.keras; \.run\.keras is"),
        ({"output": "m.h5"}, "ends in .keras"),
        ({"labels": ["one"] * 60}, "at least two classes"),
        ({"class_weight": {"level": 2.0}, "balanced": True}, "give one of them"),
        ({"task": "regression", "labels": {"a": [*range(59), 1e200]}}, r"up to 1e\+200, expected at most"),
        ({"task": "regression", "labels": {"a": np.arange(60) * 1e-40}}, "use a smaller unit"),
        ({"labels": ["few", "few", *["many"] * 58]}, r"to validate; too few are left of few \(1\)"),
    ],
)  # fmt: skip
def test_what_cannot_be_trained_is_refused_before_the_first_step(options, message):
    with pytest.raises(ValueError, match=message):
        tune(**options)


def test_floats_within_0_and_1_are_refused():
    with pytest.raises(ValueError, match="these lie in 0…1: multiply them by 255"):
        tune(pixels=PIXELS / np.float32(255))


# --- weights that are lost ------------------------------------------------------------------


def test_a_diverging_run_ends_with_the_best_epoch_and_a_state_that_can_be_resumed(tmp_path):
    result = tune(optimizer="sgd", learning_rate=1e30, epochs=3, output=tmp_path / "part.keras")
    assert result.best_epoch == 0
    assert "not finite" in result.ended_by or "no longer finite" in result.ended_by
    assert np.isfinite(xception.load_model(tmp_path / "part.keras").predict(PIXELS / np.float32(255))).all()
    assert formats.read_training(tmp_path / "part.run.keras")[1].run["position"]["epoch"] == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"settings": {}}, "lack task"),
        ({"settings": None}, "not of a run of fine_tune"),
        ({"head": "nowhere"}, "its head is no layer"),
        ({"position": {"epoch": 1}}, "how far the run has come"),
        ({"names": ["level"]}, "1 names do not fit 2 outputs"),
        ({"photographs": [3]}, "should be a list of texts"),
        ({"scaling": [[1.0, 2.0], [0.0, 1.0]]}, "means and deviations"),
        ({"scaling": [[10**400] * 2] * 2}, "scaling should be numbers"),
        ({"scaling": None, "best": ...}, "best should be in it"),
        ({"position": ...}, "position should be in it"),
        ({"position": {"waited": -1}}, "expected a count, got -1"),
        ({"position": {"history": [{"loss": 10**400}, {}]}}, "expected a number, got 1000"),
        ({"position": {"best": {"value": 1.0, "loss": 0.1, "count": 12, "correct": 13}}}, "13 of 12 are no"),
        ({"position": {"best": {"value": 1.0, "loss": 0.1, "count": 12, "correct": None}}}, "None of 12"),
        ({"validation": []}, "which photographs validate, and 0 of 60 do"),
        ({"names": ["\x1b[2J", "upright"]}, r"was trained on \\x1b\[2J, upright"),
    ],
)
def test_a_state_that_was_changed_is_refused(tmp_path, change, message):
    tune(output=tmp_path / "part.keras", epochs=1)
    stored, state = formats.read_training(tmp_path / "part.run.keras")
    record = dict(state.run)
    for key, value in change.items():
        if value is ...:
            del record[key]
        elif key == "position" and len(value) == 1 and "epoch" not in value:
            record[key] = {**record[key], **value}
        else:
            record[key] = value
    formats.write_training(tmp_path / "part.run.keras", stored, dataclasses.replace(state, run=record))
    with pytest.raises(ValueError, match=message):
        resume(tmp_path)


def test_a_run_that_is_resumed_under_another_name_has_both_files_there(tmp_path):
    first = tune(output=tmp_path / "part.keras", epochs=2)
    again = resume(tmp_path, output=tmp_path / "new.keras")
    assert again.best_epoch == first.best_epoch
    assert_same_weights(xception.load_model(tmp_path / "new.keras"), first.model)
    states = [formats.read_training(tmp_path / f"{name}.run.keras")[1] for name in ("part", "new")]
    assert states[0].run == states[1].run


def test_no_file_is_written_over_what_the_run_reads_or_over_another_of_its_files(tmp_path):
    for name in ("level", "upright"):
        (tmp_path / name).mkdir()
    for i, (pixels, name) in enumerate(zip(PIXELS[:12], NAMES, strict=False)):
        Image.fromarray(pixels).save(tmp_path / name / f"{i}.png")
    photograph = tmp_path / "level" / "0.png"
    before = photograph.read_bytes()
    with pytest.raises(ValueError, match=r"0\.png: is read by the run; name another file to write"):
        tune(None, tmp_path, log=photograph)
    assert photograph.read_bytes() == before
    table = tmp_path / "ages.csv"
    table.write_text("photograph,age\n" + "".join(f"level/{i}.png,{i}\n" for i in range(0, 12, 2)))
    with pytest.raises(ValueError, match=r"ages.csv: is read by the run"):
        tune(table, tmp_path, task="regression", log=table)
    (tmp_path / "m.csv").touch()
    table.write_text("photograph,age\nlevel/gone\0.png,1\n")
    with pytest.raises((OSError, ValueError), match="gone"):  # no file has such a name: none is written over
        tune(table, tmp_path, task="regression", log=tmp_path / "m.csv")
    for name in ("m.keras", "m.run.keras"):
        with pytest.raises(ValueError, match=f"{name}: is a file of the run"):
            tune(output=tmp_path / "m.keras", log=tmp_path / name)


def test_the_best_model_must_be_that_of_the_run_if_it_stays_the_best(tmp_path):
    tune(output=tmp_path / "part.keras", epochs=1)
    model = xception.load_model(tmp_path / "part.keras")
    model.set_weights([2 * array for array in model.get_weights()])
    model.save(tmp_path / "part.keras")
    with pytest.raises(ValueError, match="expected the model of epoch"):
        resume(tmp_path)
