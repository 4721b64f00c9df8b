"""Whether drawn images help a classifier: regimes, classifiers, their comparison, and the verdict."""
