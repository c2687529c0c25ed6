"""The examples, run as a reader would run them."""

import re
import runpy
from pathlib import Path

import numpy as np

from commands.train_cli import TrainCLI

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"


def test_attack_your_own_model_prints_fooling_gradients_and_size(capsys):
    found = runpy.run_path(str(EXAMPLES / "attack_your_own_model.py"), run_name="__main__")
    printed = capsys.readouterr().out
    outcome, inputs, model = found["outcome"], found["inputs"], found["model"]
    # A linear victim: one iteration of K - 1 gradients reaches the nearest boundary, judged by the model itself.
    assert inputs.shape == (8, 3, 20, 30)
    assert (model(outcome.adversarial).argmax(dim=1) != found["labels"]).all()
    difference = (outcome.adversarial - inputs).flatten(1).norm(dim=1)
    assert re.search(r"fooling rate 100% of 8 inputs", printed)
    assert re.search(r"gradients per input 4\.0, median l2 (\S+)", printed).group(1) == f"{difference.median():.4f}"


def test_own_representation_is_a_map_in_the_box_that_attacks_and_train_py_take(capsys, monkeypatch):
    found = runpy.run_path(str(EXAMPLES / "own_representation.py"), run_name="__main__")
    printed = capsys.readouterr().out
    assert re.search(r"sounds \(4, 1, 16000\) -> maps \(4, 1, 128, 128\), 0\.\d\d to [01]\.\d\d", printed)
    representation, sounds = found["representation"], found["sounds"]
    # The fourth root of the power, from a transform of its own.
    spectrum = np.fft.rfft(np.hanning(1025)[:-1] * np.pad(sounds[0, 0].numpy(), 512)[5 * 512 : 5 * 512 + 1024])
    column = representation.native(sounds[:, 0])[0, :, 5].numpy()
    roots = np.abs(spectrum) ** 0.5
    assert np.allclose(column / column.max(), roots / roots.max(), atol=1e-3)
    monkeypatch.syspath_prepend(EXAMPLES)
    cli = TrainCLI(["--data.representation", "own_representation.RootSpectrogram"])
    assert cli.build_data().representation.settings == {
        **{"class": "RootSpectrogram", "n_fft": 1024, "sample_rate": 16000},
    }


def test_own_model_takes_maps_of_one_channel_and_weights_from_a_file(capsys, monkeypatch):
    monkeypatch.syspath_prepend(EXAMPLES)
    found = runpy.run_path(str(EXAMPLES / "own_model.py"), run_name="__main__")
    assert re.search(r"fooled 4 of 4, \[\d+, \d+, \d+, \d+\] gradients", capsys.readouterr().out)
    assert found["model"].network.features[0][0].in_channels == 3


def test_the_example_has_ten_lines():
    lines = (EXAMPLES / "attack_your_own_model.py").read_text().split('"""')[2].splitlines()
    code = [line for line in lines if line and not line.startswith(("import", "from"))]
    assert len(code) <= 10


def test_own_corpus_trains_on_one_recording_of_each_class_and_tests_on_the_other(capsys):
    found = runpy.run_path(str(EXAMPLES / "own_corpus.py"), run_name="__main__")
    printed = capsys.readouterr().out
    data = found["data"]
    assert "15 files trained, 15 tested, leakage 0%" in printed
    train, test = (set(data.table.sources[part]) for part in (data.split.train, data.split.test))
    assert not train & test
    assert len(train) == len(test) == 3
    assert int(re.search(r"test accuracy (\d+)% of beep, hum, whistle", printed).group(1)) > 60
