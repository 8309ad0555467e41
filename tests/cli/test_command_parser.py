"""What the command line says of words that it does not know."""

import pytest

from xception.cli.command_parser import nearest
from xception.cli.main import main


@pytest.mark.parametrize(
    ("arguments", "usage", "message"),
    [
        (
            "features x --outptu y", "features [options] --output FILE [PHOTO ...]",
            "features: error: there is no option --outptu; did you mean --output?",
        ),
        ("predict x --tpo=3", "predict [options] [PHOTO", "there is no option --tpo; did you mean --top?"),
        ("predict x --qqqq", "predict [options]", "predict: error: there is no option --qqqq\n"),
        ("weights verify --all", "weights verify [options]\n", "verify: error: there is no option --all\n"),
        ("predict x -q --quiet --modle y", "predict [options]", "option --modle; did you mean --model?"),
        ("weights verfy", "weights [options] ACTION", "choice: 'verfy'; did you mean verify? (choose"),
        ("predct x --model y", "[options] COMMAND", "choice: 'predct'; did you mean predict? (choose"),
        ("predict x --format tabel", "predict [options]", "choice: 'tabel'; did you mean table?"),
        ("--versoin", "[options] COMMAND", "there is no option --versoin; did you mean --version?"),
        ("explain x -o y", "explain [options]", "no option -o; did you mean --output or --output-name?"),
        ("features x -output y", "features [options] --output", "no option -output; did you mean --output?"),
        ("features x -q -x", "features [options] --output", "there is no option -x\n"),
        ("features x --top -1", "features [options]", "there is no option --top"),
        ("predict x --top -1", "predict [options]", "argument --top: expected a positive integer, got '-1'"),
        ("features x", "features [options] --output", "the following arguments are required: --output"),
        ("summary x y", "summary [options] [FILE]", "summary: error: unrecognized arguments: y"),
    ],
)  # fmt: skip
def test_a_word_that_is_not_known_is_named_with_the_nearest(arguments, usage, message, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(arguments.split())
    err = capsys.readouterr().err
    assert err.startswith(f"usage: xception {usage}")
    assert message in err


def test_the_words_of_the_process_are_read(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["xception", "inspect", "--fromat", "json"])
    with pytest.raises(SystemExit, match="2"):
        main()
    assert "there is no option --fromat; did you mean --format?" in capsys.readouterr().err


def test_nothing_is_suggested_that_is_not_close():
    assert nearest("--output", ["--model", "--top"]) == ""
    assert nearest("--modle", ["--model", "--top"]) == "; did you mean --model?"
