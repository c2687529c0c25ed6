"""What is public: the lists of the packages, docs/python.md, and the examples in docstrings."""

import doctest
import importlib
import re
from pathlib import Path

import pytest

from attacks import ATTACKS
from classifiers import ARCHITECTURES
from classifiers.baselines import BASELINES
from datamodules import CORPORA
from datamodules.disturbances import KINDS
from representations import REPRESENTATIONS

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("attacks", "classifiers", "datamodules", "metrics", "representations")


@pytest.mark.parametrize("package", PACKAGES)
def test_what_a_package_lists_exists_and_is_documented(package):
    module = importlib.import_module(package)
    page = (ROOT / "docs" / "python.md").read_text()
    documented = {
        name.strip() for names in re.findall(rf"`from {package} import ([^`]+)`", page) for name in names.split(",")
    }
    assert [name for name in module.__all__ if not hasattr(module, name)] == []
    assert len(module.__all__) == len(set(module.__all__))
    assert documented == set(module.__all__)


def test_every_name_that_a_flag_takes_is_documented_and_every_documented_attack_is_one():
    commands, definitions = ((ROOT / "docs" / f"{name}.md").read_text() for name in ("commands", "definitions"))
    names = [*ATTACKS, *ARCHITECTURES, *BASELINES, *CORPORA, *REPRESENTATIONS, *KINDS]
    assert [name for name in names if name not in re.findall(r"[\w.]+", commands)] == []
    seven, others = (
        re.search(r"--attacks (fgsm .*) --budgets", commands),
        re.search(r"`--attacks` takes names: the seven above and (.*?); classes of", commands, re.DOTALL),
    )
    assert {*seven[1].split(), *re.findall(r"`(\w+)`", others[1])} == set(ATTACKS)
    table = re.search(r"\| attack \| form \|.*?\n\n", definitions, re.DOTALL)
    assert set(re.findall(r"`(\w+)`", table[0])) == set(ATTACKS)


def test_every_example_in_a_docstring_gives_what_it_says():
    folders = [*PACKAGES, "storage", "lightning_modules", "reporting", "commands"]
    files = sorted(file for folder in folders for file in (ROOT / folder).rglob("*.py"))
    with_examples = [file for file in files if ">>> " in file.read_text()]
    results = []
    for file in with_examples:
        name = ".".join(file.relative_to(ROOT).with_suffix("").parts)
        results.append(doctest.testmod(importlib.import_module(name), report=True))
    assert sum(result.attempted for result in results) >= 4
    assert sum(result.failed for result in results) == 0
