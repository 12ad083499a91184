"""What is asserted of a run becomes a part of its plan: it can be judged again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def with_assertions(
    plan: Mapping[str, Any], command: str, texts: Sequence[str]
) -> Mapping[str, Any]:
    """Return a plan with what is asserted of its run; unchanged if nothing is.

    Raises:
        UsageError: One is no assertion, or of something that such a run does not have.
    """
    if not texts:
        return plan
    # Where nothing is asserted, no statistics are needed before the first request.
    from vestbench.assertions.judge import check_assertions

    return {**plan, "assertions": list(check_assertions(texts, command, plan))}
