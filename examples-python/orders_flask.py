"""A service in Flask that calls another service, over whose hosts it balances:

    ORDERS=10.0.0.7:80,10.0.0.8:80 gunicorn --preload --workers 4 --chdir examples-python orders_flask:app

The client is made before gunicorn forks: each worker makes connections of its own.
"""

import os

import ahoy
from flask import Flask, request

app = Flask(__name__)
orders = ahoy.Client(os.environ["ORDERS"].split(","), timeout=2, warn_unclosed=False)


@app.get("/customers/<int:number>")
def customer(number):
    # The inbound request's limit, if it has one, is that of the call as well.
    limit = float(request.headers.get("x-timeout", "2"))
    answer = orders.get("/orders", params={"customer": number}, timeout=limit).raise_for_status()
    return {"customer": number, **answer.json()}


@app.errorhandler(ahoy.Error)
def failed(error):
    app.logger.warning("%s", error)
    return {"error": error.code}, 504 if isinstance(error, TimeoutError) else 502


@app.get("/metrics")
def metrics():
    return orders.metrics(), {"content-type": "application/openmetrics-text; version=1.0.0; charset=utf-8"}
