"""What a client counts."""

from __future__ import annotations

import dataclasses
from typing import Any, Mapping

from ._handle import check, decode
from ._library import callback, lib

_KINDS = {0: "counter", 1: "gauge", 2: "histogram"}


@dataclasses.dataclass(frozen=True)
class Sample:
    """One series of a metric."""

    name: str
    kind: str
    """`counter`, `gauge` or `histogram`."""
    labels: Mapping[str, str]
    value: float
    """The value, or the sum of a histogram."""
    buckets: tuple[tuple[float, int], ...] = ()
    """Upper bounds with the number of values up to each."""


def samples(snapshot: int) -> list[Sample]:
    """All series of an ahoy_snapshot."""
    found: list[Sample] = []

    def add(_: Any, sample: int) -> None:
        found.append(_read(sample))

    check(lib.ahoy_snapshot_each, snapshot, callback("ahoy_sample_fn")(add), None)
    return found


def _read(sample: int) -> Sample:
    labels = {
        decode(lib.ahoy_sample_label_name_at(sample, i)): decode(lib.ahoy_sample_label_value_at(sample, i))
        for i in range(lib.ahoy_sample_label_count(sample))
    }
    buckets = tuple(
        (lib.ahoy_sample_bucket_bound_at(sample, i), lib.ahoy_sample_bucket_value_at(sample, i))
        for i in range(lib.ahoy_sample_bucket_count(sample))
    )
    kind = _KINDS.get(lib.ahoy_sample_kind(sample), "unknown")
    return Sample(decode(lib.ahoy_sample_name(sample)), kind, labels, lib.ahoy_sample_value(sample), buckets)


