# The body of the plots that are heat maps. ARG1: lines of row, column, value. ARG2: the format of the labels on both axes.
unset grid
unset key
set offsets 0, 0, 0, 0
set xtics 1 format ARG2
set ytics 1 format ARG2
stats ARG1 using 1 name "ROW" nooutput
stats ARG1 using 2 name "COLUMN" nooutput
least = ROW_min < COLUMN_min ? ROW_min : COLUMN_min
most = ROW_max > COLUMN_max ? ROW_max : COLUMN_max
set xrange [least - 0.5:most + 0.5]
set yrange [most + 0.5:least - 0.5]
set cbrange [0:*]
# Light enough to print black numbers on.
set palette defined (0 "#ffffff", 1 "#56b4e9")
set style fill solid
set size ratio 1
set bmargin 4
plot ARG1 using 2:1:(0.5):(0.5):3 with boxxyerror linecolor palette, \
     ARG1 using 2:1:(sprintf("%.3g", $3)) with labels
