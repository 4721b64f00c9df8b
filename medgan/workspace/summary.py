"""The short table at the end of `make repro`."""

import csv
import json
import math

from rich.console import Console
from rich.table import Table

from medgan.workspace.places import EXPORT, METRICS, REGISTRY, SEARCH


def print_summary() -> None:
    metrics, registry = json.loads(METRICS.read_text()), json.loads(REGISTRY.read_text())
    quality = metrics["quality"]
    with (SEARCH / "trials.csv").open(newline="") as file:
        trials = list(csv.DictReader(file))
    onnx = EXPORT / "generator.onnx"
    table = Table(show_header=False, box=None, padding=(0, 2))
    protocol = f"({quality['split']}, n = {quality['n']:,})"
    if "fid" in quality:
        floor, interval = metrics["floor"], f"[{quality['fid_low']:.3f}, {quality['fid_high']:.3f}]"
        figures = f"{quality['fid']:.3f} {interval}, floor {floor['fid']:.3f}"
        table.add_row(f"FID ({quality['extractor']})", f"{figures}  {protocol}")
        figures = f"{quality['precision']:.3f}, {quality['recall']:.3f}"
        table.add_row("precision, recall", f"{figures}  (real: {floor['recall']:.3f})")
    else:
        for way in (metrics, *([metrics["reverse"]] if "reverse" in metrics else [])):
            quality, baselines = way["quality"], way["baselines"]
            interval = f"[{quality['mae_low']:.4f}, {quality['mae_high']:.4f}]"
            others = ", ".join(f"{answer} image: {mae:.4f}" for answer, mae in baselines.items())
            table.add_row(
                "MAE" if way is metrics else "MAE, back", f"{quality['mae']:.4f} {interval}, {others}  {protocol}"
            )
            standard = quality["standard"]
            table.add_row(
                "PSNR, SSIM", f"{standard['psnr']:.2f} dB, {standard['ssim'] or math.nan:.3f}  (piq, on [0, 1])"
            )
            if quality["kid"] is not None:
                table.add_row(f"KID ({quality['extractor']})", f"{quality['kid']:.4f}, floor {way['floor']['kid']:.4f}")
    if "agreement" in metrics:
        agreement = metrics["agreement"]
        table.add_row("class agreement", f"{agreement['generated']:.3f}  (real: {agreement['real']:.3f})")
    if "lesion" in metrics:
        lesion = metrics["lesion"]
        table.add_row("lesion IoU", f"{lesion['generated']['iou']:.3f}  (real: {lesion['real']['iou']:.3f})")
    if "copied" in metrics:
        table.add_row("copied share", f"{metrics['copied']:.3f}")
    table.add_row("trials", str(len(trials)))
    for way, path in ((registry, onnx), (registry.get("reverse"), EXPORT / "reverse" / onnx.name)):
        if way is not None:
            parity = json.loads(path.with_name("parity.json").read_text())
            table.add_row(
                "registered", f"{way['name']} version {way['version']}; champion: {way['champion'] or 'none'}"
            )
            table.add_row("", "; ".join(way["reasons"]))
            table.add_row("ONNX", f"{path}, {parity['bytes'] / 1e6:.2f} MB, parity error {parity['worst']:.1e}")
    table.add_row("samples", "reports/samples.png (real ones: reports/real.png)")
    console = Console(soft_wrap=True, highlight=False)
    console.print(table)
    console.print("\nnext:  make ui")
    command = f"generate {onnx} --count 16 --seed 1" if "fid" in metrics["quality"] else f"translate {onnx} IMAGE..."
    command += " --mask MASK.png" if "lesion" in metrics else ""
    console.print(f"       .venv/bin/medgan {command} --out drawn")
    console.print("       .venv/bin/medgan recipes")
