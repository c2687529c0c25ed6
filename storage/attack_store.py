"""The rows of an attack run on disk, and which of its clips are finished."""

import json
import shutil
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from storage import SCHEMA_VERSION, DataError, read_json, write_atomically, write_json
from storage.adversarial_sounds import AdversarialSounds
from storage.folder_lock import alone_in
from storage.provenance import makers_in, with_maker
from storage.rows import read_rows, with_label_names, write_rows
from storage.schema import require_readable
from storage.sound_file import SoundFormat
from storage.space import MAP, Space
from storage.summaries import Maker

ROW_KEY = ["fold", "attack", "budget_index", "clip"]
"""Columns that together identify a row of outcomes."""
CLEAN_KEY = ["fold", "clip"]
GROUPS = ("common", "attacks", "checkpoints", "subsets", "made_by")
CLEAN = "clean"
"""Name, in place of an attack's, of the parts that hold the clean predictions of a batch."""
DEFAULT_PRECISION = "32-true"
"""Precision of folders that were started before the precision was stored."""
REMEDY = "choose another --output, or --overwrite to attack anew"


class AttackStore:
    """``runs/<name>/attacks/``: settings, outcomes, clean predictions, summary and, on request, adversarials.

    Attacks on sounds have a folder of their own, ``attacks-sound/``, of the same form.

    During a run, each attacked batch is a file in ``parts/``; at the end of a fold the parts are merged into
    ``outcomes.parquet`` and ``clips.parquet``. Files are written atomically, so the parts that exist are those that are
    finished. More attacks, folds and clips may be added later with the same seed and budgets.

    Args:
        path: the folder; it need not exist.
        space: what was attacked; maps are kept in ``adversarials/``, sounds in ``sounds/``.
        sound_format: what adversarial sounds are written in.
    """

    def __init__(self, path: Path | str, space: Space = MAP, sound_format: SoundFormat = "wav") -> None:
        self.path = Path(path)
        self.space = space
        self.sounds = AdversarialSounds(self.path, sound_format)

    @property
    def settings_file(self) -> Path:
        """Path of the settings of the attacks."""
        return self.path / "settings.json"

    @property
    def outcomes_file(self) -> Path:
        """Path of the outcomes: one row per fold, attack, budget and clip."""
        return self.path / "outcomes.parquet"

    @property
    def clips_file(self) -> Path:
        """Path of the clean predictions: one row per fold and test clip."""
        return self.path / "clips.parquet"

    @property
    def summary_file(self) -> Path:
        """Path of the summary: every number of the attacks, and the trust checks."""
        return self.path / "summary.json"

    def adversarials_file(self, fold: int, attack: str, clip: int) -> Path:
        """Path of the adversarial maps of a clip, float32 ``(budgets, 1, rows, columns)``."""
        return self.path / "adversarials" / f"fold{fold}" / attack / f"{clip}.npy"

    def is_kept(self, fold: int, attack: str, budget_index: int, clip: int, name: str) -> bool:
        """Whether the adversarial of a clip, with this file name in the corpus, is kept at a budget."""
        if self.space == MAP:
            return self.adversarials_file(fold, attack, clip).is_file()
        return self.sounds.find(fold, attack, budget_index, clip, name) is not None

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Lock the folder against a second command, which would merge and remove the parts of the first.

        Raises:
            DataError: if another process holds the lock.
        """
        with alone_in(self.path):
            yield

    def remove(self) -> None:
        """Delete the folder, so that a new run can start."""
        if self.path.exists():
            shutil.rmtree(self.path)

    def stored_settings(self) -> dict[str, Any]:
        """The settings written by :meth:`open`; empty before.

        Raises:
            DataError: if the file is not readable as settings of an attack.
        """
        if not self.settings_file.is_file():
            return {}
        stored = read_json(self.settings_file, f"remove {self.path}")
        if not all(isinstance(stored.get(group, {}), dict) for group in GROUPS):
            raise DataError(
                f"expected the settings of an attack in {self.settings_file}, found something else; remove {self.path}"
            )
        return stored

    def open(self, settings: Mapping[str, Any], *, write: bool = True) -> None:
        """Start the run, or add to it.

        Args:
            settings: ``common`` (equal for the whole folder, except ``clips``, which may grow, because a subset is
                contained in every larger one), ``attacks`` and ``checkpoints`` (existing entries unchanged, new ones
                are added), ``test_clips`` (digest of each fold's test part, unchanged, so that no clip is exchanged for
                another), ``subsets`` (by fold), and anything else, which is written unchecked.
            write: store them; of several processes that check them, one does so for all.

        Raises:
            ValueError: if the folder was attacked with different settings; the first that differs is named.
            DataError: if it holds results of a version whose numbers have different meanings.
        """
        stored = self.stored_settings()
        if stored:
            require_readable(stored.get("schema_version", 1), self.path, REMEDY)
        merged = {**settings, "schema_version": SCHEMA_VERSION}
        # Converted through JSON, so that tuples and numbers compare equal to those read from the file.
        for group in ("common", "attacks", "checkpoints"):
            before, now = stored.get(group, {}), json.loads(json.dumps(settings[group]))
            if group == "common" and "precision" in now:
                # Folders that were started before these were stored.
                before = {"precision": DEFAULT_PRECISION, "space": MAP.name, **before}
                now = {"space": MAP.name, **now}
            for key in before.keys() & now.keys() if group != "common" else before.keys() | now.keys():
                if key == "clips" and grows(before.get(key), now.get(key)):
                    continue
                if stored and before.get(key) != now.get(key):
                    raise ValueError(
                        f"expected the settings that {self.path} was attacked with, got another value of {key} "
                        f"({now.get(key)!r} instead of {before.get(key)!r}); "
                        f"{REMEDY}"
                    )
            merged[group] = {**before, **now}
        parts, parts_now = stored.get("test_clips", {}), settings.get("test_clips", {})
        changed = sorted(fold for fold in parts.keys() & parts_now.keys() if parts[fold] != parts_now[fold])
        if changed:
            raise ValueError(
                f"expected the test clips that {self.path} was attacked on, got others in fold {changed[0]}, because "
                "the corpus' table has changed; restore it, choose another --output, or --overwrite to attack anew"
            )
        merged["test_clips"] = {**parts, **parts_now}
        # Folds that this call does not name keep their number of clips.
        then = {fold: stored.get("common", {}).get("clips") for fold in stored.get("checkpoints", {})}
        merged["subsets"] = {**then, **stored.get("subsets", {}), **settings.get("subsets", {})}
        merged["made_by"] = makers_in(stored)
        if write:
            write_json(self.settings_file, merged)

    def note_maker(self, fold: int, attacks: Iterable[str], maker: Maker) -> None:
        """Note what goes on to attack clips of a fold with some attacks; one process does so for all."""
        stored = self.stored_settings()
        write_json(self.settings_file, {**stored, "made_by": with_maker(makers_in(stored), fold, attacks, maker)})

    def current_folds(self) -> set[int]:
        """Numbers of the folds whose subset has the number of clips that was asked for last.

        Raises:
            DataError: if the settings of the attacks are missing.
        """
        settings = self.stored_settings()
        if "subsets" not in settings or "clips" not in settings.get("common", {}):
            raise DataError(
                f"expected settings of attacks in {self.settings_file}, found none; attack again with --overwrite"
            )
        return {int(fold) for fold, clips in settings["subsets"].items() if clips == settings["common"]["clips"]}

    def write_part(self, fold: int, attack: str, rows: pd.DataFrame) -> None:
        """Store the rows of one attacked batch."""
        clips = rows["clip"]
        name = f"fold{fold}-{attack}-{clips.min()}-{clips.max()}-{clips.nunique()}.parquet"
        write_rows(self.path / "parts" / name, rows)

    def write_adversarials(self, fold: int, attack: str, clip: int, maps: NDArray[np.float32]) -> None:
        """Store the adversarial maps of a clip at every budget, ``(budgets, 1, rows, columns)``."""
        with write_atomically(self.adversarials_file(fold, attack, clip)) as file:
            np.save(file, maps)

    def read_adversarials(self, fold: int, attack: str, clip: int) -> NDArray[np.float32]:
        """Read what :meth:`write_adversarials` stored of a clip; for the attack ``clean``, its clean map.

        Raises:
            DataError: if the file is missing or holds something else.
        """
        file = self.adversarials_file(fold, attack, clip)
        try:
            maps = np.load(file)
        except (OSError, ValueError, EOFError) as error:
            raise DataError(
                f"expected adversarial maps in {file}, found none that can be read; attack again with --overwrite"
            ) from error
        if not isinstance(maps, np.ndarray) or maps.ndim != 4 or maps.dtype != np.float32:
            raise DataError(
                f"expected float32 maps (budgets, 1, rows, columns) in {file}, found something else; attack again with "
                "--overwrite"
            )
        return maps

    def write_victim_findings(self, fold: int, findings: list[dict[str, Any]]) -> None:
        """Store the findings of the sanity checks on a fold's victim; without findings, nothing is written."""
        if findings:
            write_json(self.path / "victims.json", {**self.victim_findings(), str(fold): findings})

    def victim_findings(self) -> dict[str, list[dict[str, Any]]]:
        """The findings of the sanity checks on each fold's victim, by the number of the fold."""
        path = self.path / "victims.json"
        return read_json(path, "remove it to look at the victims again") if path.is_file() else {}

    def finished(self, fold: int, *, with_adversarials: bool = False) -> dict[str, set[int]]:
        """The clips of a fold that each attack has finished, by the name of the attack.

        Args:
            fold: number of the fold.
            with_adversarials: count only clips whose adversarials are stored too.
        """
        finished: dict[str, set[int]] = {}
        columns = ["fold", "attack", "clip"]
        if with_adversarials and self.space != MAP:
            columns += ["name", "budget_index"]
        for rows in self._frames(self.outcomes_file, columns, clean=False):
            for attack, of_attack in rows[rows["fold"] == fold].groupby("attack"):
                clips = set(of_attack["clip"].tolist())
                if with_adversarials:
                    clips -= self._without_adversarials(fold, str(attack), of_attack)
                finished.setdefault(str(attack), set()).update(clips)
        return finished

    def _without_adversarials(self, fold: int, attack: str, rows: pd.DataFrame) -> set[int]:
        """Clips of which the adversarial at some budget is not kept, or the clean sound beside it."""
        if self.space == MAP:
            return {clip for clip in rows["clip"].tolist() if not self.adversarials_file(fold, attack, clip).is_file()}
        absent = set()
        for clip, name, budget in rows[["clip", "name", "budget_index"]].itertuples(index=False, name=None):
            wanted = ((CLEAN, None), (attack, budget))
            if any(self.sounds.find(fold, one, index, clip, name) is None for one, index in wanted):
                absent.add(clip)
        return absent

    def outcomes(self) -> pd.DataFrame:
        """All rows of all attacks, each once, sorted by fold, attack, budget and clip; empty before the first."""
        frames = list(self._frames(self.outcomes_file, None, clean=False))
        if not frames:
            return pd.DataFrame()
        rows = pd.concat(frames, ignore_index=True)
        return self._named(rows).drop_duplicates(ROW_KEY).sort_values(ROW_KEY, ignore_index=True)

    def clips(self) -> pd.DataFrame:
        """Clean predictions of all test clips, one row per fold and clip."""
        frames = list(self._frames(self.clips_file, None, clean=True))
        if not frames:
            return pd.DataFrame()
        rows = pd.concat(frames, ignore_index=True)
        return self._named(rows).drop_duplicates(CLEAN_KEY).sort_values(CLEAN_KEY, ignore_index=True)

    def merge(self) -> None:
        """Merge all parts into the two tables and remove them."""
        for rows, path in ((self.outcomes(), self.outcomes_file), (self.clips(), self.clips_file)):
            if len(rows):
                write_rows(path, rows)
        shutil.rmtree(self.path / "parts", ignore_errors=True)

    def _named(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Add class names, which rows of version 2 lack, if the settings contain them."""
        names = self.stored_settings().get("class_names")
        return rows if names is None else with_label_names(rows, names)

    def _frames(self, merged: Path, columns: list[str] | None, *, clean: bool) -> Iterator[pd.DataFrame]:
        parts = sorted((self.path / "parts").glob("fold*.parquet"))
        for path in [merged, *(part for part in parts if (part.name.split("-")[1] == CLEAN) == clean)]:
            if not path.is_file():
                continue
            try:
                rows = read_rows(path, "remove it to attack again", columns)
                absent = [name for name in (CLEAN_KEY if clean else ROW_KEY) if name not in rows and columns is None]
                if absent:
                    raise DataError(f"expected a column {absent[0]} in {path}, found none; remove it to attack again")
            except DataError:
                if path == merged:
                    raise
                warnings.warn(f"{path} cannot be read; its clips are attacked again", stacklevel=2)
                # Another process that reads the parts may have removed it by now.
                path.unlink(missing_ok=True)
                continue
            yield rows


def grows(before: int | None, now: int | None) -> bool:
    """Whether a number of clips is larger than before; None means all."""
    return before is not None and (now is None or now > before)
