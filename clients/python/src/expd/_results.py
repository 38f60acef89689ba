"""The list that a search returns."""

from __future__ import annotations

from typing import Any, Dict, Iterable, List, TypeVar

Resource = TypeVar("Resource")


class Results(List[Resource]):
    """The resources that a search found, as a list."""

    def __init__(
        self, resources: Iterable[Resource], total: int, results: List[Dict[str, Any]]
    ) -> None:
        super().__init__(resources)
        #: Number of resources that match, also beyond ``limit``.
        self.total = total
        #: The documents of those found.
        self.results = results
