#!/usr/bin/env bash
# Workers of one search on a Slurm cluster: `sbatch deploy/slurm.sh` in a clone that all nodes see (docs/scale.md).
# Begin the search with `make repro` on a node of the same kind first, or let these wait for it. Untested by us.
#SBATCH --job-name=medgan
#SBATCH --array=1-8                 # so many workers
#SBATCH --cpus-per-task=2
#SBATCH --mem=8G
#SBATCH --gres=gpu:1                # leave it out for CPUs
#SBATCH --time=12:00:00
#SBATCH --signal=B:TERM@60          # a minute to save: another worker goes on from the checkpoint
#SBATCH --requeue
#SBATCH --output=slurm-%A-%a.log
set -euo pipefail
export MEDGAN_SEARCH_PASSWORD_FILE="${MEDGAN_SEARCH_PASSWORD_FILE:-$HOME/.medgan-password}"
exec .venv/bin/medgan worker --wait 60
