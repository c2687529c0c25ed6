"""Screens of each command at 80 and 120 columns, captured from a real terminal (tmux): what a user sees.

python benchmarks/screens.py --output screens
python benchmarks/screens.py --output screens --only train-help sweep

Trains small networks on the embedded corpus, attacks them, measures transfer, runs a sweep, and keeps what was on
the screen at the end of each command, and of the longer ones while they were running, as text files
``<command>-<columns>.txt``. Lines that are wider than the screen are named.
"""

import argparse
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
PAUSE_SECONDS = 0.5
LONGEST_SECONDS = 1200
DONE = "the command has ended"


def commands(runs: Path) -> dict[str, str]:
    """What is run, by name; {columns} makes each width start anew."""
    small = (
        "--data.representation STFT --data.representation.sample_rate 8000 --data.representation.resize 16 "
        "--data.augmentation none --model.architecture resnet56 --trainer.max_epochs 3 --trainer.accelerator cpu "
        f"--logger none --runs_dir {shlex.quote(str(runs))} --folds 1,2"
    )
    run = shlex.quote(str(runs / "run{columns}"))
    other = shlex.quote(str(runs / "other{columns}"))
    few = "--attacks fgsm bim_b deepfool jsma --budgets smoke --clips 60 --logger none"
    return {
        "train-help": "train.py --help",
        "train-wrong-flag": "train.py --epochs 2",
        "train": f"train.py {small} --name run{{columns}}",
        "attack-help": "attack.py --help",
        "attack": f"attack.py --checkpoints {run} {few}",
        "train-other": f"train.py {small} --name other{{columns}} --model.architecture sb_cnn",
        "transfer": f"transfer.py --checkpoints {run} {other} {few}",
        "sweep-help": "sweep.py --help",
        "sweep": f"sweep.py {shlex.quote(str(write_sweep(runs)))} --jobs 2 --runs_dir {run}-sweep -- --folds 1",
    }


def write_sweep(folder: Path) -> Path:
    """Write a sweep over two sizes of the Fourier transform, with a transfer between two small networks."""
    settings = folder / "small.yaml"
    settings.write_text(
        "data:\n  class_path: SyntheticSounds\n  init_args:\n    augmentation: none\n    representation:\n"
        "      class_path: STFT\n      init_args: {sample_rate: 8000, resize: 16}\n"
        "model: {architecture: resnet56}\ntrainer: {max_epochs: 3, accelerator: cpu}\nlogger: none\n"
    )
    sweep = folder / "sweep.yaml"
    sweep.write_text(
        "program: sweep.py\nname: screens\nmethod: grid\n"
        f"parameters:\n  config: {{value: {settings}}}\n  data.representation.n_fft: {{values: [512, 1024]}}\n"
        'command: ["${env}", "${interpreter}", "${program}", point, --attacks, fgsm, bim_b, --budgets, smoke,\n'
        '          --clips, "60", --transfer, resnet56, sb_cnn, "${args}"]\n'
    )
    return sweep


def tmux(*arguments: str) -> str:
    """Run tmux on a server of its own."""
    done = subprocess.run(["tmux", "-L", "screens", *arguments], check=True, capture_output=True, text=True)
    return done.stdout


def capture(command: str, columns: int, folder: Path, name: str) -> list[str]:
    """Run a command in a terminal of some width; write its last screens and return the lines that are too wide."""
    tmux("new-session", "-d", "-s", name, "-x", str(columns), "-y", "60", "bash --norc")
    tmux("set-option", "-t", name, "history-limit", "5000")
    tmux("send-keys", "-t", name, f"cd {shlex.quote(str(CHECKOUT))}; clear; {command}; echo {DONE}", "Enter")
    began, running, whole = time.monotonic(), "", ""
    while time.monotonic() - began < LONGEST_SECONDS:
        time.sleep(PAUSE_SECONDS)
        whole = tmux("capture-pane", "-p", "-t", name, "-S", "-3000")
        if f"\n{DONE}" in whole:
            break
        running = whole if " left" in whole else running
    tmux("kill-session", "-t", name)
    (folder / f"{name}.txt").write_text(whole, encoding="utf-8")
    if running:
        (folder / f"{name}-running.txt").write_text(running, encoding="utf-8")
    return [line for line in whole.splitlines() if len(line) > columns]


def main() -> None:
    """Capture every command at both widths."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path("screens"))
    parser.add_argument("--only", nargs="+", default=[], help="names of commands, such as train-help")
    arguments = parser.parse_args()
    output: Path = arguments.output
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        for columns in (80, 120):
            for name, command in commands(Path(folder)).items():
                if arguments.only and name not in arguments.only:
                    continue
                line = f"{shlex.quote(sys.executable)} {command.format(columns=columns)}"
                wide = capture(line, columns, output, f"{name}-{columns}")
                print(f"{name}, {columns} columns: {len(wide)} lines are wider than the screen", flush=True)


if __name__ == "__main__":
    main()
