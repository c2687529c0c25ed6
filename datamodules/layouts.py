"""Known layouts of a published corpus below the user's folder: those of its authors, of Kaggle and of archives."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from datamodules.progress import say_once
from storage import DataError

LOOKED_AT = 50
"""Number of listed files that are looked for to recognise the folder of the sounds."""


@dataclass(frozen=True)
class Layouts:
    """The known locations of a corpus' table and sounds, the official one first.

    Args:
        corpus: name of the published corpus.
        tables: paths of the table below the corpus' folder.
        sounds: folders of the sounds below it.
        inside: folders that the corpus' folder may lie in, as an archive unpacks it.
    """

    corpus: str
    tables: Sequence[str]
    sounds: Sequence[str]
    inside: Sequence[str]

    def find(self, root: Path) -> tuple[Path, Path] | None:
        """The folder of the corpus and its table, at or below a folder, or None if there is none."""
        tops = (root, *(root / name for name in self.inside))
        return next(((top, top / name) for top in tops for name in self.tables if (top / name).is_file()), None)

    def require(self, root: Path) -> tuple[Path, Path]:
        """The folder of the corpus and its table.

        Raises:
            DataError: if the folder is missing or holds no table.
        """
        if not root.is_dir():
            raise DataError(f"expected the corpus in the folder {root}, found none: set --data.root to where it lies")
        found = self.find(root)
        if found is None:
            others = ", ".join([*self.tables[1:], *(f"{name}/{self.tables[0]}" for name in self.inside)])
            raise DataError(
                f"expected the table {self.tables[0]} below {root}, found none (nor {others}): set --data.root to the "
                "folder that holds it"
            )
        return found

    def sounds_of(self, root: Path, top: Path, table: Path, listed: Iterable[str]) -> Path:
        """Find the folder of the listed files; a layout other than the official one is logged once.

        Args:
            root: folder that the user named.
            top: the folder of the corpus, from :meth:`require`.
            table: its table.
            listed: paths of the files below the folder of the sounds; the first 50 are looked for.

        Returns:
            The folder, or the official one if no file is found; the later check of the files names the missing ones.
        """
        some = [name for name, _ in zip(listed, range(LOOKED_AT), strict=False)]
        folders = [top / name for name in self.sounds]
        folder = next((folder for folder in folders if any((folder / name).is_file() for name in some)), folders[0])
        if (table, folder) != (root / self.tables[0], root / self.sounds[0]):
            say_once(f"{self.corpus} is read from {table} and {folder}")
        return folder
