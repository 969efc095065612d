import pytest

from staff.domain.retries import BACKOFF_S, FailureKind, delay_s


@pytest.mark.parametrize("kind", FailureKind)
def test_every_kind_is_tried_again_ever_later_and_then_no_more(kind):
    waits = [delay_s(kind, failures) for failures in range(1, len(BACKOFF_S[kind]) + 1)]
    assert waits == sorted(waits) and None not in waits
    assert delay_s(kind, len(waits) + 1) is None
