"""Write times for people and scripts; no rule reads them."""

from __future__ import annotations

__all__ = ["calendar", "instant", "span"]

_DAY_S = 86_400
_DAYS_TO_1970 = 719_468
_DAYS_IN_400_YEARS = 146_097


def instant(seconds: float) -> str:
    """Return a time, in seconds since 1970, as RFC 3339 in UTC."""
    year, month, day, hour, minute, second = calendar(int(seconds))
    return f"{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z"


def span(begin: str, end: str) -> str:
    """Return two times of ``instant`` as one text, and one time where they are the same."""
    if begin == end:
        return begin
    return f"{begin} to {end}"


def calendar(seconds: int) -> tuple[int, int, int, int, int, int]:
    """Return year, month, day, hour, minute and second in UTC.

    ``datetime`` takes longer to load than all that a hook has to say. Years
    are counted from March, so that a leap day ends its year.
    """
    days, rest = divmod(seconds, _DAY_S)
    era, day_of_era = divmod(days + _DAYS_TO_1970, _DAYS_IN_400_YEARS)
    leaps = day_of_era // 1460 - day_of_era // 36_524 + day_of_era // 146_096
    year_of_era = (day_of_era - leaps) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    march_month = (5 * day_of_year + 2) // 153
    day = day_of_year - (153 * march_month + 2) // 5 + 1
    month = (march_month + 2) % 12 + 1
    year = year_of_era + 400 * era
    if month <= 2:
        year += 1
    return year, month, day, rest // 3600, rest % 3600 // 60, rest % 60
