# What all plots have in common. Each is called with DATA FILE FORMAT; FORMAT is svg or png.
if (ARG3 eq "svg") set terminal svg size 800,500 dynamic enhanced font "sans,14" background "white"
if (ARG3 eq "png") set terminal pngcairo size 1600,1000 font "sans,22" linewidth 2 background "white"
set output ARG2
set encoding utf8
set grid linecolor "#dddddd" linetype 1
set border 3
set tics nomirror
set key outside below maxcols 2 samplen 2
set offsets graph 0.03, graph 0.03, 0, 0
set bmargin 7
# Colours that colour-blind people can tell apart (Okabe and Ito). Black is the host.
set linetype 1 linecolor "#000000" pointtype 7 dashtype 1
set linetype 2 linecolor "#7f7f7f" pointtype 6 dashtype 2
set linetype 3 linecolor "#0072b2" pointtype 5 dashtype 1
set linetype 4 linecolor "#d55e00" pointtype 9 dashtype 1
set linetype 5 linecolor "#009e73" pointtype 11 dashtype 1
set linetype 6 linecolor "#cc79a7" pointtype 13 dashtype 1
stats ARG1 using 0 nooutput
blocks = STATS_blocks
block_name(bytes) = bytes < 1024 ? sprintf("%d B", bytes) : bytes < 1048576 ? sprintf("%d KiB", bytes / 1024) : sprintf("%d MiB", bytes / 1048576)
