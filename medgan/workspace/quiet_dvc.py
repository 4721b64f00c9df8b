"""DVC without what nobody reads: the command below the name of each stage, its lock file, advice."""

import logging
import sys
from typing import Any

from dvc.cli import main
from dvc.ui import ui

# Loggers that say such things; what goes wrong is said by others, or as a warning.
_CHATTER = ("dvc.dvcfile", "dvc.repo.scm_context")
_ADVICE = "Use `dvc push`"


def run() -> int:
    """Exit status of `dvc` with the arguments of this process."""
    for name in _CHATTER:
        logging.getLogger(name).setLevel(logging.WARNING)
    for name in ("dvc.stage.run", "dvc.repo.reproduce"):  # commands, and empty lines between stages
        logging.getLogger(name).addFilter(lambda record: record.getMessage()[:2] not in ("> ", ""))
    # Of a folder that a stage has nothing for: pictures of copies, where nothing could be copied.
    logging.getLogger("dvc.output").addFilter(lambda record: not record.getMessage().endswith("is empty."))
    write = ui.write

    def sparing(*objects: Any, **settings: Any) -> None:
        if not str(objects[0] if objects else "").startswith(_ADVICE):
            write(*objects, **settings)

    ui.write = sparing
    return int(main(sys.argv[1:]))


if __name__ == "__main__":
    sys.exit(run())
