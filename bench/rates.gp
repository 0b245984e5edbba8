# The body of the plots of rates. ARG1: the data. A dotted line leads from the end of a curve to its name.
in_words(mb) = rate_words(mb)
call "scale.gp" ARG1
set rmargin 13
plot for [i = 1:words(things)] ARG1 index word(things, i) using 1:2:3:4 with yerrorlines linetype i title columnheader(1), \
     for [i = 1:words(things)] ARG1 index "names" using (strcol(5) eq word(things, i) ? $1 : NaN):2:(X_max_y - $1):($3 - $2) \
         with vectors nohead linetype i linewidth 1 dashtype 3 notitle, \
     ARG1 index "names" using (X_max_y):3:4 with labels left offset 0.5, 0 notitle
