"""The work of predict.py: classify sound files, each on its own, in the way that a test classifies its clips."""

import copy
import csv
import io
import json
import sys
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from torch import Tensor

from commands.errors import INTERRUPTED, packages_to_import
from commands.predict_cli import PredictCommand
from commands.trainer import chosen_device
from datamodules.audio import FINDINGS, UnusableFileError, file_fault, fit_length, read_sound
from datamodules.audio_files import audio_files
from datamodules.progress import progress_bar
from datamodules.windows import Windows, lengths, window_starts
from lightning_modules.trained_classifier import TrainedClassifier, load_classifier
from metrics.classification import log_probabilities
from storage import DataError, write_text
from storage.errors import named

AT_ONCE = 32
"""Number of windows of one file that are classified in one batch."""


@dataclass(frozen=True)
class FilePrediction:
    """The outputs of a classifier for one file.

    Args:
        file: the path as it was given.
        starts: where each window begins, in seconds.
        logits: logits of each window, ``(windows, classes)`` float32.
        findings: names of oddities of the sound, see :data:`datamodules.audio.FINDINGS`.
    """

    file: Path
    starts: tuple[float, ...]
    logits: Tensor
    findings: tuple[str, ...] = ()

    @property
    def probabilities(self) -> Tensor:
        """Probabilities of the file, ``(classes,)`` float64: softmax of the windows' mean log-probabilities."""
        return log_probabilities(self.logits).mean(dim=0).softmax(dim=0)

    @property
    def window_probabilities(self) -> Tensor:
        """Probabilities of each window, ``(windows, classes)`` float64."""
        return log_probabilities(self.logits).exp()


class FileClassifier:
    """A trained classifier applied to sound files.

    Args:
        trained: the classifier with its recipe.
        device: device on which to compute.

    Raises:
        DataError: if the checkpoint does not say how long its clips are.
    """

    def __init__(self, trained: TrainedClassifier, device: torch.device) -> None:
        data = trained.data()
        self.clip_seconds = trained.clip_seconds(data)
        self.padding = data.padding
        self.sample_rate = data.representation.sample_rate
        self.class_names = trained.split.class_names
        self.device = device
        self.representation = copy.deepcopy(data.representation).to(device).eval()
        self.model = trained.model.to(device)

    def classify(self, file: Path, starts: Sequence[float] = (0.0,)) -> FilePrediction:
        """Classify windows of a file; the result depends on no other file.

        Args:
            file: an audio file.
            starts: where the windows begin, in seconds.

        Raises:
            UnusableFileError: if the file cannot be read as sound.
        """
        fault = file_fault(file)
        if fault is not None:
            raise UnusableFileError(fault)
        findings: dict[str, None] = {}
        logits = []
        samples = round(self.clip_seconds * self.sample_rate)
        for first in range(0, len(starts), AT_ONCE):
            waveforms = []
            for start in starts[first : first + AT_ONCE]:
                decoded = read_sound(file, self.sample_rate, self.clip_seconds, start)
                findings |= dict.fromkeys(decoded.findings)
                waveforms.append(torch.from_numpy(fit_length(decoded.waveform, samples, self.padding))[None])
            with torch.inference_mode():
                maps = self.representation(torch.stack(waveforms).to(self.device)).contiguous()
                logits.append(self.model(maps).float().cpu())
        return FilePrediction(file, tuple(starts), torch.cat(logits), tuple(findings))


def predict(command: PredictCommand) -> list[FilePrediction]:
    """Classify every file that was named, and write the predictions.

    Args:
        command: the command line, checked.

    Returns:
        The prediction for each usable file.

    Raises:
        UsageError: if there is no such device.
        DataError: if the checkpoint cannot be used, or a file cannot be read (after the others' results are written).
        SystemExit: after Ctrl-C, once the results so far are written.
    """
    trained = load_classifier(command.checkpoint, packages_to_import(command.allow_import))
    classifier = FileClassifier(trained, chosen_device(command.device))
    files, failed = _files(command.files)
    windows: Windows = command.windows
    starts = [window_starts(seconds or 0.0, classifier.clip_seconds, windows) for seconds in lengths(files)]
    predictions: list[FilePrediction] = []
    interrupted = False
    try:
        with progress_bar("predicting", sum(map(len, starts))) as advance:
            for file, begins in zip(files, starts, strict=True):
                try:
                    predictions.append(classifier.classify(file, begins))
                except UnusableFileError as error:
                    failed[str(file)] = str(error)
                for _ in begins:
                    advance()
    except KeyboardInterrupt:
        interrupted = True
    _write(command, classifier, predictions, failed)
    _say_findings(predictions, windows)
    if interrupted:
        print(
            f"interrupted after {len(predictions) + len(failed)} of {len(files)} files; their predictions are written",
            file=sys.stderr,
        )
        raise SystemExit(INTERRUPTED)
    if failed:
        told = [f"{name} ({reason})" for name, reason in failed.items()]
        raise DataError(f"expected sound in every file, found {len(failed)} that cannot be used: {named(told)}")
    return predictions


def _files(names: Iterable[str]) -> tuple[list[Path], dict[str, str]]:
    """The files that names stand for, each once, and the folders without audio files, with the reason."""
    files: dict[Path, None] = {}
    failed: dict[str, str] = {}
    for name in names:
        path = Path(name)
        if not path.is_dir():
            files[path] = None
            continue
        found, _ = audio_files(path)
        files |= dict.fromkeys(found)
        if not found:
            failed[name] = "a folder without audio files"
    return list(files), failed


def _say_findings(predictions: Sequence[FilePrediction], windows: Windows) -> None:
    for finding, sentence in FINDINGS.items():
        # The windows cover the whole file.
        if finding == "cut" and windows == "all":
            continue
        names = [str(one.file) for one in predictions if finding in one.findings]
        if names:
            warnings.warn(f"{len(names)} of {len(predictions)} files {sentence}: {named(names)}", stacklevel=2)


def _rows(
    command: PredictCommand, classifier: FileClassifier, predictions: Sequence[FilePrediction]
) -> list[dict[str, Any]]:
    """One row per file or window: its start in seconds (None for the whole file) and the most probable classes."""
    rows = []
    for one in predictions:
        parts: list[tuple[float | None, Tensor]] = [(None, one.probabilities)]
        if command.each_window:
            parts += zip(one.starts, one.window_probabilities, strict=True)
        for start, probabilities in parts:
            best = probabilities.topk(min(command.top, len(probabilities)))
            top = zip(best.indices.tolist(), best.values.tolist(), strict=True)
            classes = [{"class": classifier.class_names[label], "probability": value} for label, value in top]
            rows.append({"file": str(one.file), "start": start, "windows": len(one.starts), "top": classes})
    return rows


def _write(
    command: PredictCommand, classifier: FileClassifier, predictions: Sequence[FilePrediction], failed: dict[str, str]
) -> None:
    rows = _rows(command, classifier, predictions)
    if command.format == "table":
        text = _as_table(rows, classifier, to_terminal=command.output is None)
    elif command.format == "csv":
        text = _as_csv(rows)
    else:
        content = {
            "checkpoint": command.checkpoint,
            "classes": list(classifier.class_names),
            "clip_seconds": classifier.clip_seconds,
            "windows": command.windows,
            "predictions": rows,
            "failed": [{"file": name, "reason": reason} for name, reason in failed.items()],
        }
        text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    if command.output is not None:
        write_text(Path(command.output), text)
    elif text:
        sys.stdout.write(text)


def _as_csv(rows: Sequence[dict[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("file", "start", "windows", "rank", "class", "probability"))
    for row in rows:
        start = "" if row["start"] is None else f"{row['start']:.3f}"
        for rank, one in enumerate(row["top"], start=1):
            writer.writerow((row["file"], start, row["windows"], rank, one["class"], f"{one['probability']:.6f}"))
    return text.getvalue()


def _as_table(rows: Sequence[dict[str, Any]], classifier: FileClassifier, *, to_terminal: bool) -> str:
    if not rows:
        return ""
    table = Table(box=SIMPLE_HEAD)
    table.add_column("file", overflow="fold")
    table.add_column("window, s", justify="right", no_wrap=True)
    # More classes would not fit side by side.
    beside = len(rows[0]["top"]) <= 3
    for rank in range(len(rows[0]["top"]) if beside else 1):
        table.add_column("class" if rank == 0 else f"{rank + 1}.", overflow="fold")
    for row in rows:
        seconds, windows = classifier.clip_seconds, row["windows"]
        window = "all" if windows == 1 else f"mean of {windows}"
        if row["start"] is not None:
            window = f"{row['start']:.2f} to {row['start'] + seconds:.2f}"
        classes = [f"{one['class']} {one['probability']:.1%}" for one in row["top"]]
        cells = classes if beside else ["\n".join(classes)]
        table.add_row("" if row["start"] is not None else row["file"], window, *cells)
    console = Console(file=io.StringIO(), width=None if to_terminal else 160)
    console.print(table, markup=False)
    output = console.file
    assert isinstance(output, io.StringIO)
    return output.getvalue()
