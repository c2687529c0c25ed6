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

TEXT, ROWS = {".json", ".yaml", ".csv"}, {".parquet"}

LEFT_OUT = {"parts", "pictures", "sounds", "adversarials", "wandb"}
"""Folders of what is unfinished, large, or made from recordings."""

RUNS = "runs"
STAND_INS = {"root": "DIR", "cache_dir": "CACHE"}
"""What stands in records for the folders of one machine, by the setting that names them."""

SETTING = re.compile(rf'^[\s"]*({"|".join(STAND_INS)})"?: "?(/[^",\n]*)', re.MULTILINE)
"""Such a setting with an absolute path, in JSON or YAML as the commands write them."""


CHECKPOINT = r'(/[^",\n]*)/{run}/fold\d+/'
"""An absolute path into a run, as ``attacks/config.yaml`` names checkpoints."""


def copy_records(runs: Path, records: Path) -> list[Path]:
    """Copy the records of all finished runs in a folder; what was copied before is replaced.

    Args:
        runs: the folder, in which runs may lie at any depth.
        records: where to; made if it is not there.

    Returns:
        The copied runs, relative to the folder.

    Raises:
        DataError: if there is no finished run.
    """
    finished = {file.parent for file in runs.rglob("summary.json") if (file.parent / "config.yaml").is_file()}
    # Attacks have the same two files in their folder of a run.
    found = sorted(run for run in finished if finished.isdisjoint(run.parents))
    if not found:
        raise DataError(f"expected finished runs in {runs}, found none; train.py writes them")
    for run in found:
        texts = {file: file.read_text(encoding="utf-8") for file in _files(run) if file.suffix in TEXT}
        places = {str(place): RUNS for place in (runs.absolute(), runs.resolve())}
        # attack.py may have been given another folder than train.py.
        places |= {path: STAND_INS[name] for text in texts.values() for name, path in SETTING.findall(text)}
        # A run that was moved still names the folder in which it was attacked.
        inside = CHECKPOINT.format(run=re.escape(str(run.relative_to(runs))))
        places |= {path: RUNS for text in texts.values() for path in re.findall(inside, text)}
        for file in _files(run):
            copy = records / file.relative_to(runs)
            if file in texts:
                write_text(copy, _elsewhere(texts[file], places))
            else:
                with write_atomically(copy) as temporary:
                    shutil.copyfile(file, temporary)
    return [run.relative_to(runs) for run in found]


def _files(run: Path) -> Iterator[Path]:
    for file in sorted(run.rglob("*")):
        if file.suffix in TEXT | ROWS and not LEFT_OUT & set(file.relative_to(run).parts):
            yield file


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
        parser.exit(1, f"{error}\n")
    print(f"{len(copied)} runs: {', '.join(map(str, copied))}")


if __name__ == "__main__":
    main()
