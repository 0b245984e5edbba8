# What all plots have in common. Each is called with DATA FILE FORMAT; FORMAT is svg or png.

# The colours, which colour-blind people can tell apart (those of Okabe and Ito, and a grey). Words and axes are black.
colour_paper = "#ffffff"
colour_grid = "#dddddd"
colour_host = "#606060"      # the host: grey, as the frame of reference
colour_uc = "#0072b2"        # the mapping uc, which programs take unless they are told another
colour_wc = "#56b4e9"        # the mapping wc
colour_wb = "#009e73"        # the mapping wb
colour_own = "#e69f00"       # within the VM's own memory
colour_interrupt = "#cc79a7" # by interrupt, instead of polled
colour_tcp = "#d55e00"       # TCP
colour_host_cell = "#a6a6a6" # heat maps: the highest cell, light enough for black numbers
colour_uc_cell = "#66aad1"

# The things that curves stand for (tables.jq). The first is drawn as linetype 1, and so on.
things = "host-region host-own uc wc wb vm-own interrupt tcp open-loop"
set linetype 1 linewidth 2 linecolor rgb colour_host pointtype 7 dashtype 1
set linetype 2 linewidth 2 linecolor rgb colour_host pointtype 7 dashtype 2
set linetype 3 linewidth 2 linecolor rgb colour_uc pointtype 5 dashtype 1
set linetype 4 linewidth 2 linecolor rgb colour_wc pointtype 9 dashtype 1
set linetype 5 linewidth 2 linecolor rgb colour_wb pointtype 11 dashtype 1
set linetype 6 linewidth 2 linecolor rgb colour_own pointtype 13 dashtype 1
set linetype 7 linewidth 2 linecolor rgb colour_interrupt pointtype 7 dashtype 1
set linetype 8 linewidth 2 linecolor rgb colour_tcp pointtype 15 dashtype 1
set linetype 9 linewidth 2 linecolor rgb colour_uc pointtype 5 dashtype 2 # the mapping uc, too; messages that are due at times
set pointsize 0.7
set pointintervalbox 0 # gnuplot 6 would clear the paper around each point
set errorbars 0.5 linewidth 1

# So small that its words can be read on a phone, 390 pixels wide.
if (ARG3 eq "svg") set terminal svg size 540,400 dynamic font "sans-serif,15" background colour_paper
if (ARG3 eq "png") set terminal pngcairo size 1080,800 font "sans-serif,15" fontscale 1.5 linewidth 2 pointscale 2 \
    background colour_paper
set output ARG2
set encoding utf8
set lmargin 10
set tmargin 3.2
set bmargin 3.3
set border 3
set grid linecolor rgb colour_grid linetype 1 linewidth 1
set tics out nomirror scale 0.4
set title offset 0, -0.5
unset key

# The title: what is shown, and below it which way is better.
headline(what, better) = "{/:Bold " . what . "}\n" . better

# Numbers as people say them.
size_words(bytes) = bytes < 1024 ? sprintf("%d B", bytes) \
    : bytes < 1048576 ? sprintf("%d KiB", bytes / 1024) : sprintf("%d MiB", bytes / 1048576)
rate_words(mb) = mb < 1000 ? sprintf("%g MB/s", mb) : sprintf("%g GB/s", mb / 1000)
time_words(us) = us < 1 ? sprintf("%g ns", us * 1000) : us < 1000 ? sprintf("%g µs", us) \
    : us < 1000000 ? sprintf("%g ms", us / 1000) : sprintf("%g s", us / 1000000)
