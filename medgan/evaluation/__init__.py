"""Judging a generator: reports, two-sample tests, copies, gates and champions, on the scores of `medgan.scores`."""
