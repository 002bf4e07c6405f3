"""Numbers in words: short, but never another number than the one that is meant."""


def written(number: float) -> str:
    """Six digits if that is all there is to it, else all of them: 0.001, 0.9999999."""
    short = f"{number:g}"
    return short if float(short) == number else repr(number)
