"""Statistics of paired ratios: each round gives one, and rounds are drawn again for the interval."""
import random
import statistics


def quartiles(values):
    """(first quartile, median, third quartile)"""
    if len(values) < 2:
        return (values[0],) * 3
    return tuple(statistics.quantiles(values, n=4, method="inclusive"))


def interval(values, draws=2000, seed=1):
    """The 95 % bootstrap interval of the median."""
    source = random.Random(seed)
    medians = sorted(statistics.median(source.choices(values, k=len(values))) for _ in range(draws))
    return medians[int(draws * 0.025)], medians[int(draws * 0.975)]


def ratios(rounds, name, base, what):
    """Of every round in which both were measured."""
    return [one[name][what] / one[base][what] for one in rounds
            if what in one.get(name, {}) and one.get(base, {}).get(what)]


def summary(values):
    first, median, third = quartiles(values)
    low, high = interval(values)
    return {"median": median, "quartiles": [first, third], "interval": [low, high], "rounds": len(values)}
