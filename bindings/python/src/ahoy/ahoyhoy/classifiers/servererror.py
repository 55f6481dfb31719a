"""Answers of 500 and above."""

from __future__ import annotations

from typing import Any

from .exceptions import Ahoyhoy500Exception


def raise_for_status(response: Any) -> Any:
    """The answer, unless its status is 500 or above."""
    if 500 <= response.status_code < 600:
        text = f"{response.status_code} Server Error: {response.reason} for url: {response.url}"
        raise Ahoyhoy500Exception(text, response=response)
    return response
