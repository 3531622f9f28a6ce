"""What a list of durations amounts to. Nothing is clipped and nothing is fitted."""

import math

PERCENTILES = (50, 90, 95, 99)
CONFIDENCE = 0.95
# Two-sided, of the normal distribution at CONFIDENCE.
_QUANTILE = 1.959963984540054
# From this variance on, the binomial distribution is taken to be normal.
_NORMAL_VARIANCE = 25.0


def percentile(samples, percent):
    """The ``percent``-th percentile (0 to 100) of ``samples``, by nearest rank: always a value that was measured.

    The smallest sample that at least ``percent`` % of the samples do not exceed (Hyndman & Fan 1996, definition 1).
    Raises ``ValueError`` for no samples.
    """
    if not len(samples):
        raise ValueError("there is no percentile of no samples")
    return _at_rank(sorted(samples), percent)


def percentile_interval(ordered, percent):
    """(low, high): where the ``percent``-th percentile of what ``ordered`` samples come from lies, at 95 %.

    Order statistics, free of any distribution (David & Nagaraja 2003, section 7.1): low and high are samples such that
    the number of samples below the true percentile, which is binomial, falls between their ranks. An end is None
    where there are too few samples to bound it. It takes samples to be independent, which successive calls are only
    nearly: read it as the least there is to doubt.
    """
    count, share = len(ordered), percent / 100.0
    variance = count * share * (1 - share)
    if variance > _NORMAL_VARIANCE:
        reach = _QUANTILE * math.sqrt(variance)
        low, high = math.floor(count * share - reach), math.ceil(count * share + reach) + 1
    else:
        low, high = _binomial_ranks(count, share)
    return ordered[low - 1] if low >= 1 else None, ordered[high - 1] if high <= count else None


def jitter(samples):
    """Mean absolute difference of each sample to the one before it (RFC 3550 means the same); 0 for one sample."""
    pairs = len(samples) - 1
    return sum(abs(samples[i + 1] - samples[i]) for i in range(pairs)) / pairs if pairs else 0.0


def summarise(samples):
    """A mapping of what ``samples`` amount to, in the unit they came in.

    ``samples`` (how many), ``min``, ``mean``, ``stdev`` (0 for one), ``p50``, ``p90``, ``p95``, ``p99``, ``max``,
    ``jitter``, and ``p50_interval95`` ...: [low, high] of each percentile, null where too few samples bound it.
    """
    ordered = sorted(samples)
    count = len(ordered)
    mean = math.fsum(ordered) / count
    summary = {
        "samples": count,
        "min": ordered[0],
        "mean": mean,
        "stdev": math.sqrt(math.fsum((one - mean) ** 2 for one in ordered) / (count - 1)) if count > 1 else 0.0,
        "max": ordered[-1],
        "jitter": jitter(samples),
    }
    for percent in PERCENTILES:
        summary["p{}".format(percent)] = _at_rank(ordered, percent)
        summary["p{}_interval95".format(percent)] = list(percentile_interval(ordered, percent))
    return summary


def _at_rank(ordered, percent):
    rank = math.ceil(percent / 100 * len(ordered))
    return ordered[min(max(rank, 1), len(ordered)) - 1]


def _binomial_ranks(count, share):
    """Ranks (low, high), from 1: P(low <= B < high) >= 95 % for B binomial; 0 or count + 1 where there is none."""
    if not 0 < share < 1:
        return (0, 1) if share <= 0 else (count, count + 1)
    tail = (1 - CONFIDENCE) / 2
    low, high, below = 0, count + 1, 0.0
    for successes in range(count + 1):
        log = math.lgamma(count + 1) - math.lgamma(successes + 1) - math.lgamma(count - successes + 1)
        below += math.exp(log + successes * math.log(share) + (count - successes) * math.log(1 - share))
        # Here ``below`` is P(B <= successes).
        if below <= tail:
            low = successes + 1
        if below >= 1 - tail:
            high = successes + 1
            break
    return low, high
