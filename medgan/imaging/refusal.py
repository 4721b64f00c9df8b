"""The error of a picture that is not read."""


class PictureError(ValueError):
    """Its message is the reason, for people; it does not name the file."""
