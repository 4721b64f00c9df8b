"""The stages of dvc.yaml. Values come from params.yaml; stages have no flags."""
