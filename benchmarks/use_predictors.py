"""Which figure of a generator says best what its images are good for, over all studies? -> results/use_predictors.*

    python -m benchmarks.use_predictors    # after studies of benchmarks.usefulness and benchmarks.use_search

Reads what these have written to results/, and takes a second.
"""

import argparse
import json
from collections import defaultdict
from typing import Any

from benchmarks.tables import RESULTS, save
from benchmarks.use_tables import predictors


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    studies = {
        file.stem: json.loads(file.read_text())[key]
        for kind, key in (("usefulness", "generators"), ("use_search", "configurations"))
        for file in sorted(RESULTS.glob(f"{kind}-*.json"))
    }
    if not studies:
        print(f"{RESULTS} has no studies yet; first run python -m benchmarks.usefulness phantom", flush=True)
        return
    of_size: dict[tuple[str, int], list[dict[str, Any]]] = defaultdict(list)
    for name, generators in studies.items():
        for each in generators:
            of_size[name, each.get("images", 0)].append(each)
    number = sum(map(len, studies.values()))
    lines = [
        "# What predicts use?",
        "",
        f"`python -m benchmarks.use_predictors`: {', '.join(studies)}; {number} generators. What is good "
        "differs from study to study, so a generator has its rank among those of its own.",
        *predictors(list(studies.values()), "studies"),
        *predictors(list(of_size.values()), "studies, among generators of as many real images"),
    ]
    save("use_predictors", {name: len(generators) for name, generators in studies.items()}, lines)


if __name__ == "__main__":
    main()
