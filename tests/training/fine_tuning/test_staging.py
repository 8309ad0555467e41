"""Fine-tuning in stages: each trains more than the one before, with a warm-up and a cosine of its own."""

import numpy as np
import pytest
from tuned_stripes import assert_same_weights, interrupt_after, resume, small_base, tune

import xception
from xception import formats
from xception.training.fine_tuning.borders import BorderStore

STAGES = ("second", "all")
STEPS = 7  #: an epoch: 51 photographs to train, in batches of 8


def state_of(path):
    return formats.read_training(path)[1]


def test_what_the_first_stage_freezes_learns_in_the_second(tmp_path):
    base = small_base().parameters
    first = tune(train="second", epochs=2, output=tmp_path / "first.keras")
    tune(train=STAGES, epochs=4, output=tmp_path / "both.keras")
    assert len(first.history.epoch) == 3
    after = [xception.load_model(tmp_path / f"{name}.run.keras") for name in ("first", "both")]
    np.testing.assert_array_equal(after[0].parameters["first"]["kernel"], base["first"]["kernel"])
    assert not np.array_equal(after[1].parameters["first"]["kernel"], base["first"]["kernel"])


def test_each_stage_has_a_warm_up_and_ends_its_own_cosine():
    """Two epochs of 7 steps each, of which two are warm-up: it begins at a third of the peak."""
    result = tune(train=STAGES, epochs=4)
    rates = result.history.history["learning_rate"]
    assert rates[1] == rates[3] == pytest.approx(1e-3)
    assert rates[2] == rates[4] == pytest.approx(3e-3 * (1 + np.cos(np.pi * 5 / 12)) / 2)


def test_slots_of_what_trained_before_are_kept_and_others_begin_at_0(tmp_path, monkeypatch):
    """A Ctrl-C right at the border of the stages shows the slots before any step."""
    with monkeypatch.context() as patch:
        interrupt_after(patch, 2 * STEPS)
        tune(train=STAGES, epochs=4, output=tmp_path / "part.keras")
    before = state_of(tmp_path / "part.run.keras")
    assert before.run["position"]["stage_steps"] == []
    assert {node for node, _ in before.slots} == {"second", "second_bn", "predictions"}
    with monkeypatch.context() as patch:
        interrupt_after(patch, 1)
        resume(tmp_path)
    after = state_of(tmp_path / "part.run.keras")
    assert (after.iterations, after.run["position"]["stage_steps"]) == (1, [2 * STEPS])
    for (node, name), slots in after.slots.items():
        m, former = slots["momentum"], before.slots.get((node, name))
        # After a step m = 0.9 · former + 0.1 · gradient, v = 0.999 · former + 0.001 · gradient².
        gradient = 10 * (m - (0 if former is None else 0.9 * former["momentum"]))
        expected = 0.001 * gradient**2 + (0 if former is None else 0.999 * former["velocity"])
        np.testing.assert_allclose(slots["velocity"], expected, rtol=2e-2, atol=1e-9)


@pytest.mark.parametrize("batches", [[3], [14], [16], [5, 12]])
def test_a_run_resumes_to_the_same_bits_in_any_stage(tmp_path, monkeypatch, batches):
    options = {"train": STAGES, "epochs": 4, "augment": "flip,variants=2", "dropout": 0.3}
    whole = tune(output=tmp_path / "whole.keras", **options)
    for number, count in enumerate(batches):
        with monkeypatch.context() as patch:
            interrupt_after(patch, count)
            part = resume(tmp_path) if number else tune(output=tmp_path / "part.keras", **options)
            assert part.ended_by == "interrupted"
    last = resume(tmp_path)
    assert_same_weights(last.model, whole.model)
    for name in whole.history.history.keys() - {"seconds"}:
        np.testing.assert_array_equal(last.history.history[name], whole.history.history[name])
    assert str(last) == str(whole)
    np.testing.assert_array_equal(last.validation.outputs, whole.validation.outputs)
    states = [state_of(tmp_path / f"{name}.run.keras") for name in ("part", "whole")]
    for key, slots in states[0].slots.items():
        for name, array in slots.items():
            np.testing.assert_array_equal(array, states[1].slots[key][name])


def test_patience_and_the_best_epoch_go_on_over_all_stages(tmp_path, monkeypatch):
    """Of a rate that spoils everything: three epochs without improvement, in two stages."""
    result = tune(train=STAGES, epochs=4, learning_rate=3.0, patience=3)
    assert len(result.history.epoch) == 4
    assert result.best_epoch == 0
    assert "did not improve for 3 epochs" in result.ended_by
    # The best epoch lies in the first stage, and the run is resumed in the second.
    options = {"train": STAGES, "epochs": 4, "learning_rate": 3.0}
    whole = tune(**options)
    with monkeypatch.context() as patch:
        interrupt_after(patch, 2 * STEPS + 2)
        tune(output=tmp_path / "part.keras", **options)
    last = resume(tmp_path)
    assert last.best_epoch == whole.best_epoch == 0
    assert_same_weights(last.model, whole.model)
    np.testing.assert_array_equal(last.validation.outputs, whole.validation.outputs)


def test_the_border_moves_and_gives_its_memory_back(monkeypatch):
    cleared = []
    original = BorderStore.clear

    def clear(self):
        cleared.append((self.border.nodes, self.kept_bytes > 0))
        original(self)

    monkeypatch.setattr(BorderStore, "clear", clear)
    tune(train=STAGES, epochs=2)
    assert cleared[0] == (("first_relu",), True)
    assert {nodes for nodes, _ in cleared[1:]} == {("first_relu",), ("input_layer",)}


def test_folds_train_all_stages_each_time():
    result = tune(train=STAGES, epochs=2, folds=3)
    assert len(result.folds) == 3


def test_a_state_that_does_not_fit_its_stage_is_refused(tmp_path):
    import dataclasses

    tune(train=STAGES, epochs=2, output=tmp_path / "part.keras")
    stored, state = formats.read_training(tmp_path / "part.run.keras")
    position = {**state.run["position"], "stage_steps": [6, 6, 6]}
    changed = dataclasses.replace(state, run={**state.run, "position": position})
    formats.write_training(tmp_path / "part.run.keras", stored, changed)
    with pytest.raises(xception.ModelFileError, match="2 epochs do not end in stage 4"):
        resume(tmp_path)


def test_what_trains_is_said_at_each_stage_and_figures_run_with_the_batches(capsys):
    tune(train=STAGES, epochs=2, verbose=1, augment="flip")
    err = capsys.readouterr().err
    assert "60 photographs, 51 to train, 9 to validate; 2 classes; train='second' for 1 epoch" in err
    assert "(stage 1 of 2), from second on: 5 arrays of 3 layers train, 466 of " in err
    assert "train='all' for 1 epoch (stage 2 of 2), from first on: 8 arrays of 5 layers train" in err
    assert "statistics: frozen; memory about" in err
    assert "activations included" in err
    assert "epoch 1 of 2, loss 0." in err
    assert "accuracy 0." in err
    assert "(running, augmented)" in err


def test_photographs_are_not_named_augmented_if_they_are_not(capsys):
    tune(epochs=1, verbose=1)
    err = capsys.readouterr().err
    assert "(running)" in err
    assert "augmented" not in err
