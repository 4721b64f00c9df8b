"""What may name a person within a sentence: people read it in the terminal, and nothing that is stored has it."""

import re

_MARKED = re.compile("«.*»", re.DOTALL)


def private(text: object) -> str:
    """Mark a name, a value of a table or what a library says, as «text», in a reason why a file cannot be used."""
    return f"«{text}»"


def public(sentence: str) -> str:
    """The sentence without what is marked: from the first mark to the last, since names may hold marks too."""
    return _MARKED.sub("…", sentence)
