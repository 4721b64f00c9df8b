"""Judging images: features, distances and copying. Never imported by training."""
