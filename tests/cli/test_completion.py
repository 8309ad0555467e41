"""`xception --print-completion`: in real shells, as far as they are installed."""

import shutil
import subprocess
import sys

import pytest

from xception.cli.main import main


def script(shell, capsys):
    pytest.importorskip("shtab", reason="the extra 'completion' is not installed")
    with pytest.raises(SystemExit, match="0"):
        main(["--print-completion", shell])
    return capsys.readouterr().out


@pytest.fixture
def folder(tmp_path):
    """Models, a photograph, and a folder."""
    (tmp_path / "models").mkdir()
    for name in ("a.keras", "b.h5", "c.zip", "d.pth", "e.safetensors", "notes.txt", "photo.jpg"):
        (tmp_path / name).touch()
    return tmp_path


MODELS = ["a.keras", "b.h5", "c.zip", "d.pth", "e.safetensors", "models"]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["pred"], ["predict"]),
        (["predict", "--mod"], ["--model"]),
        (["predict", "--model", ""], MODELS),
        (["predict", "--model", "e"], ["e.safetensors"]),
        (["inspect", ""], MODELS),
        (["predict", "ph"], ["photo.jpg"]),
        (["predict", "--output", "no"], ["notes.txt"]),
        (["fit", ""], ["models"]),
        (["predict", "--format", "js"], ["jsonl", "json"]),
        (["weights", "ver"], ["verify"]),
    ],
)
def test_bash(words, expected, folder, capsys):
    bash = shutil.which("bash") or pytest.skip("there is no bash")
    (folder / "completion").write_text(script("bash", capsys))
    program = f"""source completion; rm completion
        COMP_WORDS=(xception {" ".join(repr(word) for word in words)}); COMP_CWORD={len(words)}
        _shtab_xception; printf '%s\\n' "${{COMPREPLY[@]}}" """
    result = subprocess.run([bash, "-c", program], cwd=folder, capture_output=True, text=True, check=True)
    assert result.stdout.split() == expected


def test_fish(folder, capsys):
    fish = shutil.which("fish") or pytest.skip("there is no fish")
    program = f"{script('fish', capsys)}\nfunction xception; end\ncomplete -C 'xception predict --model '"
    result = subprocess.run([fish, "-c", program], cwd=folder, capture_output=True, text=True, check=True)
    offered = [line.split("\t")[0].rstrip("/") for line in result.stdout.splitlines()]
    assert sorted(offered) == MODELS


def test_zsh(folder, capsys):
    zsh = shutil.which("zsh") or pytest.skip("there is no zsh")
    (folder / "_xception").write_text(script("zsh", capsys))
    subprocess.run([zsh, "-n", folder / "_xception"], check=True)
    assert (folder / "_xception").read_text().startswith("#compdef xception\n")


def test_without_shtab_the_extra_is_named(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "shtab", None)
    with pytest.raises(SystemExit, match="1"):
        main(["--print-completion", "bash"])
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert "needs the extra 'completion', which is not installed: pip install 'xception[completion]'" in err


def test_an_unknown_shell(capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["--print-completion", "fsh"])
    assert "invalid choice: 'fsh'; did you mean fish?" in capsys.readouterr().err
