"""Numbers from samples: verdicts, intervals, quantiles, warnings; pure functions."""

# The functions `evidence` and `shift` stay in the modules of the same name, which they
# would hide if they were re-exported.

from vestbench.stats.bounds import Bounds, percent_bounds, saving_bounds, session_bounds
from vestbench.stats.decision import (
    Decision,
    Interval,
    MedianSummary,
    SavingSummary,
    close_margin,
    summarise,
)
from vestbench.stats.diagnostics import (
    MedianMismatch,
    OrderEffect,
    Plateau,
    SignAgreement,
    SynRetransmission,
    lag1_sign_agreement,
    median_mismatch,
    order_effect,
    plateau,
    syn_retransmissions,
)
from vestbench.stats.evidence import (
    CONFIDENCE_THRESHOLDS,
    MAX_ROUNDS,
    MIN_ROUNDS,
    crossing_curve,
    crossing_probability,
    projected_rounds,
    votes_needed,
)
from vestbench.stats.quantiles import (
    QuantileEstimate,
    estimate,
    histogram,
    quantile,
    quantile_ranks,
    samples_needed,
)
from vestbench.stats.sequential import (
    Reason,
    SequentialVerdict,
    State,
    Verdict,
)
from vestbench.stats.shift import (
    BaselineVerdict,
    Change,
    PredictionInterval,
    Shift,
    compare_with_baseline,
    hodges_lehmann,
    prediction_interval,
    student_t_quantile,
)

__all__ = [
    "CONFIDENCE_THRESHOLDS",
    "MAX_ROUNDS",
    "MIN_ROUNDS",
    "BaselineVerdict",
    "Bounds",
    "Change",
    "Decision",
    "Interval",
    "MedianMismatch",
    "MedianSummary",
    "OrderEffect",
    "Plateau",
    "PredictionInterval",
    "QuantileEstimate",
    "Reason",
    "SavingSummary",
    "SequentialVerdict",
    "Shift",
    "SignAgreement",
    "State",
    "SynRetransmission",
    "Verdict",
    "close_margin",
    "compare_with_baseline",
    "crossing_curve",
    "crossing_probability",
    "estimate",
    "histogram",
    "hodges_lehmann",
    "lag1_sign_agreement",
    "median_mismatch",
    "order_effect",
    "percent_bounds",
    "plateau",
    "prediction_interval",
    "projected_rounds",
    "quantile",
    "quantile_ranks",
    "samples_needed",
    "saving_bounds",
    "session_bounds",
    "student_t_quantile",
    "summarise",
    "syn_retransmissions",
    "votes_needed",
]
