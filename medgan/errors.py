"""The one error that users see as a sentence instead of a traceback."""


class MedganError(Exception):
    """Bad input. Its message names what is wrong, the choices and the remedy, in one sentence."""


class DivergedError(MedganError):
    """A training whose losses are no longer finite."""
