"""What a balancer raises."""


class AhoyhoyLbException(Exception):
    """A balancer failed."""


class LbNoEndpointsException(AhoyhoyLbException):
    """No endpoint admits a request."""
