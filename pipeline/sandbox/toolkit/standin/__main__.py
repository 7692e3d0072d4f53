"""The command line: arguments, the job loop, the failure frame, the exit code."""

import argparse
import json
import signal
import sys
import traceback
from pathlib import Path
from typing import IO, Final

from .config import plan, read
from .process import Training
from .voice import say
from .world import World, surroundings

RULE: Final = "=" * 40


class Tee:
    """--log FILE: every word goes to the file too (append)."""

    def __init__(self, stream: IO[str], file: IO[str]) -> None:
        """Bars drop to digits: this stream names no encoding, like the real one's."""
        self._stream, self._file = stream, file

    def write(self, text: str) -> None:
        self._stream.write(text)
        self._file.write(text)
        self.flush()

    def flush(self) -> None:
        self._stream.flush()
        self._file.flush()


class Run:
    """The jobs of one call."""

    def __init__(self, world: World, name: str | None) -> None:
        """Nothing is done yet."""
        self._world, self._name = world, name
        self._done = self._failed = 0
        self._training: Training | None = None

    def job(self, path: str) -> None:
        """Run one config file. Raises whatever ended it, after the failure frame."""
        try:
            self._play(path)
            self._done += 1
        except KeyboardInterrupt:
            self._stopped()
        except Exception as error:
            self._failed += 1
            say(f"Error running job: {error}")
            if self._training:
                self._training.failed(error)
            else:
                say(
                    "Error running on_error: cannot access local variable 'job' where it is not associated with a value"
                )
            self._result()
            raise

    def _play(self, path: str) -> None:
        self._training = None
        job = read(path, self._world.env, self._name)
        for process in job.processes:
            say(json.dumps(process, indent=4))
            training = Training(plan(job.name, process), job.meta, self._world)
            self._training = training
            (training.plan.folder / "config.yaml").write_text(json.dumps(job.loaded, indent=2) + "\n", "utf-8")
            say(f"\n{'#' * 45}\n# Running job: {job.name}\n{'#' * 45}\n\n")
            say("Running  1 process")
            training.run()

    def _stopped(self) -> None:
        """A KeyboardInterrupt in hand ends the run with exit code 0; an old toolkit let it end the program."""
        if self._training:
            self._training.interrupted()
        if "old-bar" in self._world.modes:
            traceback.print_exc()
            self.repaint()
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            signal.raise_signal(signal.SIGINT)
        say(f"\n{RULE}\nJob stopped\n{RULE}")
        sys.stdout.flush()
        if self._training and not self._training.row.there:  # with a row the real one leaves the bar alone
            self.repaint()
        sys.exit(0)

    def _result(self) -> None:
        say(f"\n{RULE}\nResult:")
        say(f" - {self._done} completed job{'s' if self._done != 1 else ''}")
        say(f" - {self._failed} failure{'s' if self._failed != 1 else ''}")
        say(RULE)
        sys.stdout.flush()

    def repaint(self) -> None:
        """At exit the bar shows itself once more."""
        if self._training and self._training.bar:
            self._training.bar.close()


def main() -> int:
    """Answers the exit code: 0, 1 on any failure without --recover, 2 on bad arguments."""
    arguments = _arguments()
    if arguments.log:
        if "/" not in arguments.log:  # a bare name crashes the real one, in these words
            raise FileNotFoundError(2, "No such file or directory", "")
        Path(arguments.log).parent.mkdir(parents=True, exist_ok=True)
        file = Path(arguments.log).open("a", encoding="utf-8")  # noqa: SIM115  # open until the program ends
        sys.stdout, sys.stderr = Tee(sys.stdout, file), Tee(sys.stderr, file)
    count = len(arguments.config_file_list)
    say(f"Running {count} job{'s' if count != 1 else ''}")
    run = Run(surroundings(Path.cwd()), arguments.name)
    for path in arguments.config_file_list:
        try:
            run.job(path)
        except Exception:  # noqa: BLE001  # any failure is the same exit code
            if not arguments.recover:
                traceback.print_exc()
                run.repaint()
                return 1
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("config_file_list", nargs="+", type=str)
    parser.add_argument("-r", "--recover", action="store_true")
    parser.add_argument("-n", "--name", type=str, default=None)
    parser.add_argument("-l", "--log", type=str, default=None)
    return parser.parse_args()


sys.exit(main())
