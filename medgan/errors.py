"""The one error that users see as a sentence instead of a traceback."""


class MedganError(Exception):
    """Bad input. Its message names what is wrong, the choices and the remedy, in one sentence."""


class DivergedError(MedganError):
    """A training whose losses are no longer finite."""


class Interrupted(BaseException):
    """Work that was asked to stop, by Ctrl-C or SIGTERM, and has saved what it had.

    Not an Exception, so that no library on the way takes it for its own failure. Its message is for people; it is empty
    where another process of the same training says it.
    """


class TrainingInterrupted(Interrupted):
    """A training that was asked to stop; the same call of `fit` goes on after `step`."""

    def __init__(self, step: int, steps: int, *, told: bool = True) -> None:
        """told: whether this process is the one to say so."""
        self.step = step
        sentence = f"stopped and saved at step {step} of {steps}; the same command goes on from there"
        super().__init__(sentence if told else "")


def os_error_sentence(error: OSError) -> str:
    """Say what the operating system refused, of which file where that is known, and the remedy."""
    place = f"{error.filename}: " if error.filename else ""
    return f"{place}{error.strerror or error}; make room or mend it, and run the same command again"
