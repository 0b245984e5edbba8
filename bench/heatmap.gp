# The body of the plots that are heat maps. ARG1: lines of row, column, nanoseconds. ARG2: the format of the labels on both
# axes. ARG3: the colour of the highest.
stats ARG1 using 1:2 name "CELL" nooutput
stats ARG1 using 3 name "TIME" nooutput
least = CELL_min_x < CELL_min_y ? CELL_min_x : CELL_min_y
most = CELL_max_x > CELL_max_y ? CELL_max_x : CELL_max_y
cells = most - least + 1
set xrange [least - 0.5:most + 0.5]
set yrange [most + 0.5:least - 0.5]
set cbrange [0:*]
set palette defined (0 colour_paper, 1 ARG3)
set style fill solid
set size ratio 1
unset grid
set border 0
set tics scale 0
if (cells > 10) set tics font ",11"
set xtics 1 format ARG2
set ytics 1 format ARG2
# Numbers in the cells, as large as fits. If that is too small, the colours have a scale instead.
number(ns) = sprintf("%.0f", ns)
points = 440.0 / cells / strlen(number(TIME_max))
points = points > 15 ? 15 : floor(points)
if (points >= 11) unset colorbox; else set format cb "%g ns"
plot ARG1 using 2:1:(0.5):(0.5):3 with boxxyerror linecolor palette notitle, \
     ARG1 using 2:1:(points >= 11 ? number($3) : "") with labels font sprintf(",%d", points) notitle
