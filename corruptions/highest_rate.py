"""What a refusal says can be had: the highest rate that these labels allow."""

from __future__ import annotations


def highest_rate(available: int, total: int) -> str:
    """``available / total`` as a decimal rounded *down* to four digits, so that the rate it names is not refused too.

    >>> highest_rate(2, 3), highest_rate(5, 10), highest_rate(0, 7)
    ('0.6666', '0.50', '0.00')
    """
    whole, digits = divmod(available * 10_000 // max(total, 1), 10_000)
    text = f"{digits:04d}"
    return f"{whole}.{text[:2]}{text[2:].rstrip('0')}"
