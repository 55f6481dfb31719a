"""The names of the package ahoyhoy, on libahoy: its recipes run with `ahoy.ahoyhoy` in place of `ahoyhoy`.

    from ahoy.ahoyhoy.lb import RoundRobinLB

Every name can be had from here as well. Responses and exceptions are those of requests, as there.
"""

from .circuit import Circuit, ClosedState, OpenState
from .classifiers import raise_for_status
from .classifiers.exceptions import Ahoyhoy500Exception
from .client import Client, LBClientBuilder, SessionClientBuilder, SimpleClient
from .client.builder import IClientBuilder
from .client.exceptions import AhoyhoyClientException, AhoyhoyRequestsException, ClientNoEndpointsException
from .endpoints import Endpoint, SimpleHttpEndpoint
from .http import SessionProxy
from .lb import RandomLB, RoundRobinLB
from .lb.exceptions import AhoyhoyLbException, LbNoEndpointsException
from .lb.iloadbalancer import ILoadBalancer
from .lb.providers import ListProvider
from .lb.providers.iprovider import IProvider
from .retries import Retry
from .servicediscovery import ServiceDiscoveryHttpClient
from .utils import Host

__all__ = [
    "Ahoyhoy500Exception",
    "AhoyhoyClientException",
    "AhoyhoyLbException",
    "AhoyhoyRequestsException",
    "Circuit",
    "Client",
    "ClientNoEndpointsException",
    "ClosedState",
    "Endpoint",
    "Host",
    "IClientBuilder",
    "ILoadBalancer",
    "IProvider",
    "LBClientBuilder",
    "LbNoEndpointsException",
    "ListProvider",
    "OpenState",
    "RandomLB",
    "Retry",
    "RoundRobinLB",
    "ServiceDiscoveryHttpClient",
    "SessionClientBuilder",
    "SessionProxy",
    "SimpleClient",
    "SimpleHttpEndpoint",
    "raise_for_status",
]
