"""Stage report: all that is known of the generator on one page, a model card, tables for `dvc plots` -> reports/."""

from medgan.config.schema import load_config
from medgan.console import run
from medgan.evaluation.results import SAMPLES_NAME
from medgan.reporting.measures import first_columns
from medgan.reporting.plots import write_figures, write_plots
from medgan.reporting.writing import name_card, version_card, write_model_card, write_report
from medgan.tracking import pages
from medgan.tracking.opening import opened_store
from medgan.tracking.recording import find_run
from medgan.workspace.facts import facts_of
from medgan.workspace.places import FIGURES, MODEL_CARD, PARAMS, PLOTS, REPORT, TRAIN, store_root


def main() -> None:
    config = load_config(PARAMS)
    facts = facts_of(config)
    write_report(REPORT, facts)
    write_model_card(MODEL_CARD, facts)
    write_plots(PLOTS, facts)
    write_figures(FIGURES, facts)
    with opened_store(store_root(), config.data.name) as store:
        run_id, _ = find_run(store, config.data.name, TRAIN)
        for path in (REPORT, MODEL_CARD):
            store.log_file(run_id, path)
        pages.describe_experiment(store, config.data.name, first_columns(facts.main.report))
        picture = pages.picture_of(run_id, SAMPLES_NAME)
        for way in facts.ways:
            name, version = way.registered["name"], way.registered["version"]
            pages.describe_model(store, name, name_card(facts))
            pages.describe_version(store, name, version, version_card(facts, way, picture))
    print(f"{REPORT}: {REPORT.stat().st_size / 1e6:.1f} MB, one file that needs no network")


if __name__ == "__main__":
    run(main)
