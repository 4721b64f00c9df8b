"""Optuna: which configuration to train."""
