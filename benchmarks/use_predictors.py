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
    of_group, of_size = (defaultdict[Any, list[dict[str, Any]]](list) for _ in range(2))
    for name, generators in studies.items():
        for each in generators:
            of_group[each.get("group", name)].append(each)
            of_size[each.get("group", name), each.get("images")].append(each)
    number = sum(map(len, studies.values()))
    lines = [
        "# What predicts use?",
        "",
        f"`python -m benchmarks.use_predictors`: {', '.join(studies)}; {number} generators. What is good "
        "differs from data to data, so a generator has its rank among those of the same data.",
        *predictors(list(of_size.values()), "all data, among generators of as many real images"),
        *predictors(list(of_group.values()), "all data, numbers of real images differing"),
    ]
    save("use_predictors", {name: len(generators) for name, generators in studies.items()}, lines)


if __name__ == "__main__":
    main()
