"""Which answers are failures."""

from __future__ import annotations

from typing import Any

from requests.exceptions import HTTPError


class AhoyhoyClassifiersException(Exception):
    """An answer is a failure."""


class Ahoyhoy500Exception(AhoyhoyClassifiersException, HTTPError):
    """The answer has a status of 500 or above."""


def raise_for_status(response: Any) -> Any:
    """The answer, unless its status is 500 or above."""
    if 500 <= response.status_code < 600:
        text = f"{response.status_code} Server Error: {response.reason} for url: {response.url}"
        raise Ahoyhoy500Exception(text, response=response)
    return response
