"""What is public: the lists of the packages, docs/python.md, and the examples in docstrings."""

import doctest
import importlib
import re
from pathlib import Path

import pytest

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
