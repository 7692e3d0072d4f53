"""The workshop's child: the only code that opens files of strangers. One process, one task, one answer."""

from typing import Final

LIMIT_HIT: Final = 17  # exit code: a limit stopped us before the kernel did
MOST_CAPTION: Final = 1000  # letters
