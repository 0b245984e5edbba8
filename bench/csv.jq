# summary.csv. Input: the figures (summary.jq). A header, then a line for each figure.
["figure", "unit", "better", "repeats", "median", "min", "max", "spread_percent", "host_median", "share_of_host", "limit", "doubted", "status"],
(.[] | [.figure, .unit, .better, .repeats, .median, .min, .max, .spread_percent, .roofline, .share, .limit, (.doubted | length), .status])
| @csv
