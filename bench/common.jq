# What several filters share. They begin with `include "common";` and are called with jq -L bench.

# The sample in the middle of a sorted array: half of all are at most this one. By nearest rank, so it is a sample and never
# an interpolation (docs/measuring.md).
def middle: .[(length - 1) / 2 | floor];
def median: sort | middle;
