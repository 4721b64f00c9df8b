"""The stages of dvc.yaml. Values come from params.yaml; stages have no flags."""

import gc

# What is imported stays. By default Python looks for garbage among it so often that a stage starts half a second later.
gc.set_threshold(50_000, 20, 100)
