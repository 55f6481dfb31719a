"""What an answer that is a failure raises."""

from requests.exceptions import HTTPError


class AhoyhoyClassifiersException(Exception):
    """An answer is a failure."""


class Ahoyhoy500Exception(AhoyhoyClassifiersException, HTTPError):
    """The answer has a status of 500 or above."""
