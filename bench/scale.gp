# The axes of a plot of curves go as far as ARG1, the data, says. y is logarithmic, with ticks as in_words() of the plot says.
stats ARG1 index "range" using 1:2 name "X" nooutput
stats ARG1 index "range" using 3:4 name "Y" nooutput
stats ARG1 index "range" using 5 name "NAMED" nooutput
# A little further: what is exactly on the edge may count as outside, by rounding.
set xrange [X_min_x:X_max_y * 1.0001]
set yrange [Y_min_x:Y_max_y * 1.0001]
set logscale y 10
set ytics ()
digits = Y_max_y / Y_min_x > 100 ? "1" : "1 2 5"
do for [power = floor(log10(Y_min_x)):ceil(log10(Y_max_y))] {
    do for [digit in digits] { set ytics add (in_words(digit * 10.0**power) digit * 10.0**power) }
}
