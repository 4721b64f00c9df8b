"""Build page.html, on which `dvc plots` draws without a network, from npm's packages: python .dvc/plots/make_page.py"""

import subprocess
import tarfile
import tempfile
from pathlib import Path

PACKAGES = {"vega": "5.33.1", "vega-lite": "5.20.1", "vega-embed": "6.29.0"}  # BSD-3-Clause
PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>medgan: plots</title>
{refresh_tag}
<style>
body { font: 16px/1.5 system-ui, sans-serif; color: #1c2733; max-width: 70rem; margin: 1rem auto; padding: 0 1rem; }
table { border-spacing: 12px; }
img { max-width: 100%; }
</style>
SCRIPTS</head>
<body>
<h1>Plots of this pipeline</h1>
<p>Synthetic; not for diagnosis. The figures are explained in reports/report.html.</p>
{plot_divs}
</body>
</html>
"""


def script(name: str, version: str, folder: Path) -> str:
    """The minified file of a package, with where it is from."""
    packed = subprocess.run(
        ["npm", "pack", f"{name}@{version}"], cwd=folder, check=True, capture_output=True, text=True
    ).stdout.split()[-1]
    with tarfile.open(folder / packed) as archive:
        file = archive.extractfile(f"package/build/{name}.min.js")
        assert file is not None
        text = file.read().decode()
    return f"<script>/* {name} {version}, BSD-3-Clause, https://github.com/vega/{name} */\n{text}</script>\n"


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        scripts = "".join(script(name, version, Path(folder)) for name, version in PACKAGES.items())
    Path(__file__).with_name("page.html").write_text(PAGE.replace("SCRIPTS", scripts), encoding="utf-8")


if __name__ == "__main__":
    main()
