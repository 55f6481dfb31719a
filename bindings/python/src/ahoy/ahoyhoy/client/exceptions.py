"""What a client raises."""

from requests.exceptions import RequestException


class AhoyhoyClientException(Exception):
    """A client failed."""


class AhoyhoyRequestsException(AhoyhoyClientException, RequestException):
    """A request failed."""


class ClientNoEndpointsException(AhoyhoyClientException):
    """No endpoint is available, also after the list was asked for again."""
