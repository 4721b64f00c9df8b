"""The deps of dvc.yaml, generated from what each stage imports, since DVC does not follow imports: `make stages`."""

import re
from pathlib import Path

import yaml

from medgan.imports import ROOT, closure, modules

# A release number must not run everything again, and this module holds nothing else.
_EXEMPT = "medgan"


def with_deps(text: str) -> str:
    """The text of dvc.yaml with each stage's code replaced by the files that it may import; other deps stay."""
    for name, stage in yaml.safe_load(text)["stages"].items():
        others = [dep for dep in stage["deps"] if not dep.startswith(("medgan/", "pipelines/"))]
        lines = [f'      - "{dep}"' if "$" in dep else f"      - {dep}" for dep in [*code_of(name), *others]]
        block = re.compile(rf"(?<=\n)(  {name}:\n(?:    .*\n)*?    deps:)\n(?:      - .*\n)+")
        text = block.sub("\n".join([r"\1", *lines, ""]), text)
    return text


def code_of(stage: str) -> list[str]:
    """Files that a stage may import, by their path in the clone."""
    files = modules()
    code = [files[name] for name in closure([f"pipelines.{stage}"]) - {_EXEMPT}]
    templates = {path for file in code for path in file.parent.glob("*.j2")}
    return sorted([*(path.relative_to(ROOT).as_posix() for path in (*code, *templates)), "pipelines/run"])


def main() -> None:
    path = Path("dvc.yaml")
    path.write_text(with_deps(path.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
