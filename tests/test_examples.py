"""The examples, run as a reader would run them."""

import re
import runpy
from pathlib import Path

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"


def test_attack_your_own_model_prints_fooling_gradients_and_size(capsys):
    found = runpy.run_path(str(EXAMPLES / "attack_your_own_model.py"), run_name="__main__")
    printed = capsys.readouterr().out
    outcome, inputs, model = found["outcome"], found["inputs"], found["model"]
    # A linear victim: one iteration of K - 1 gradients reaches the nearest boundary, judged by the model itself.
    assert inputs.shape == (8, 3, 20, 30)
    assert (model(outcome.adversarial).argmax(dim=1) != found["labels"]).all()
    difference = (outcome.adversarial - inputs).flatten(1).norm(dim=1)
    assert re.search(r"fooling rate 100% of 8 clips", printed)
    assert re.search(r"gradients a clip 4\.0, median l2 (\S+)", printed).group(1) == f"{difference.median():.4f}"


def test_the_example_has_ten_lines():
    lines = (EXAMPLES / "attack_your_own_model.py").read_text().split('"""')[2].splitlines()
    code = [line for line in lines if line and not line.startswith(("import", "from"))]
    assert len(code) <= 10
