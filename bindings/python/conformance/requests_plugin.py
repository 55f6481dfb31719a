"""A pytest plugin that gives every Session of requests libahoy's adapter."""

import requests.sessions

import ahoy.requests

requests.sessions.HTTPAdapter = ahoy.requests.Adapter
