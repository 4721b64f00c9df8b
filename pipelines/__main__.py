"""What `make repro` runs: check everything that can be checked first, `dvc repro`, then a short table."""

from medgan.config.schema import load_config
from medgan.console import run
from medgan.errors import MedganError
from medgan.locks import locked
from medgan.workspace.dvc import LOCK, repro, restore_outputs, standing
from medgan.workspace.places import PARAMS
from medgan.workspace.summary import print_summary


def main() -> None:
    with locked(LOCK, "another `make repro` works in this clone; wait until it has ended, or stop it"):
        now = standing(load_config(PARAMS).data.raw)
        if now.up_to_date:
            print("nothing to do: data, code and parameters are as in the last run")
        else:
            # Imported only now: torch takes seconds, which a repeated `make repro` must not.
            from medgan.workspace.estimate import plan  # noqa: PLC0415
            from medgan.workspace.preflight import preflight  # noqa: PLC0415

            config, spec = preflight(raw_away=now.raw_away)
            print(plan(config, spec, now.stages), flush=True)
            if repro(first="features" if now.raw_away else None):
                restore_outputs()
                raise MedganError("the pipeline stopped, see above; the same command goes on from where it was")
        print_summary()


if __name__ == "__main__":
    run(main)
