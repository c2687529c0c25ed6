"""The records of runs, small enough to commit: settings, predictions and one row per attacked clip, no checkpoints.

python -m storage.records runs docs/results/records

sweep.py and report.py read records as they read runs, so a study can go on, and its report be made again, on another
machine. A run can be attacked or disturbed again only where its checkpoints are.
"""

import argparse
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from storage.atomic import write_atomically, write_text
from storage.errors import DataError
from storage.json_file import read_json

TEXT, ROWS = {".json", ".yaml", ".csv"}, {".parquet"}

LEFT_OUT = {"parts", "pictures", "sounds", "adversarials", "wandb"}
"""Folders of what is unfinished, large, or made from recordings."""

ROOT, RUNS = "DIR", "runs"
"""What stands in records for the folders of one machine: the corpus, and the runs."""


def copy_records(runs: Path, records: Path) -> list[Path]:
    """Copy the records of all finished runs in a folder; what was copied before is replaced.

    Args:
        runs: the folder, in which runs may lie at any depth.
        records: where to; made if it is not there.

    Returns:
        The copied runs, relative to the folder.

    Raises:
        DataError: if there is no finished run, or a summary cannot be read.
    """
    finished = {file.parent for file in runs.rglob("summary.json") if (file.parent / "config.yaml").is_file()}
    # Attacks have the same two files in their folder of a run.
    found = sorted(run for run in finished if finished.isdisjoint(run.parents))
    if not found:
        raise DataError(f"expected finished runs in {runs}, found none; train.py writes them")
    for run in found:
        recipe = read_json(run / "summary.json", "train the run again").get("recipe")
        places = {str(place): RUNS for place in (runs.absolute(), runs.resolve())}
        places |= {root: ROOT for root in _values(recipe, "root") if Path(root).is_absolute()}
        for file in _files(run):
            copy = records / file.relative_to(runs)
            if file.suffix in TEXT:
                write_text(copy, _elsewhere(file.read_text(encoding="utf-8"), places))
            else:
                with write_atomically(copy) as temporary:
                    shutil.copyfile(file, temporary)
    return [run.relative_to(runs) for run in found]


def _files(run: Path) -> Iterator[Path]:
    for file in sorted(run.rglob("*")):
        if file.suffix in TEXT | ROWS and not LEFT_OUT & set(file.relative_to(run).parts):
            yield file


def _values(settings: object, name: str) -> Iterator[str]:
    """All text values of a key, at any depth."""
    if isinstance(settings, dict):
        for key, value in settings.items():
            if key == name and isinstance(value, str) and value:
                yield value
            yield from _values(value, name)


def _elsewhere(text: str, places: dict[str, str]) -> str:
    """A text with absolute paths of this machine replaced."""
    # Longest first, because one folder may lie in the other.
    for place in sorted(places, key=len, reverse=True):
        text = re.sub(rf"{re.escape(place)}(?![\w.-])", places[place], text)
    return text


def main() -> None:
    """Copy what the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path)
    parser.add_argument("records", type=Path)
    arguments = parser.parse_args()
    try:
        copied = copy_records(arguments.runs, arguments.records)
    except DataError as error:
        parser.exit(2, f"{error}\n")
    print(f"{len(copied)} runs: {', '.join(map(str, copied))}")


if __name__ == "__main__":
    main()
