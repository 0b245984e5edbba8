# shellcheck shell=bash
# report.html and compare.html: the parts that come from other files, whether the page may be overwritten, and the link to it.

# page_definitions DIR: makes DIR/definitions, docs/figures.md as HTML.
page_definitions() {
    { echo '<page>' && cmark-gfm <"$LAB_HOME/docs/figures.md" && echo '</page>'; } \
        >"$1/figures.html" 2>"$1/said" ||
        die "cmark-gfm cannot read $LAB_HOME/docs/figures.md: $(last_words "$1/said")"
    page_transform "$1" definitions "$1/figures.html" "$1/definitions"
}

# page_plot DIR PLOT: makes DIR/PLOT.inline, the plot in DIR/PLOT.svg for use in a page.
page_plot() {
    page_transform "$1" svg "$1/$2.svg" "$1/$2.inline" --stringparam plot "$2"
}

# page_transform DIR STYLESHEET INPUT OUTPUT [OPTION...]: calls xsltproc with bench/STYLESHEET.xsl.
page_transform() {
    xsltproc --nonet "${@:5}" "$LAB_HOME/bench/$2.xsl" "$3" >"$4" 2>"$1/said" ||
        die "xsltproc cannot make a page of ${3##*/}: $(last_words "$1/said")"
}

# page_require_ours FILE: ends the program if FILE exists and is not a page of bench.sh.
page_require_ours() {
    if [[ -e $1 || -L $1 ]] && ! grep -qsF '<meta name="generator" content="bench.sh' -- "$1"; then
        die "$1 is not a page of bench.sh and would be overwritten: move it away"
    fi
}

# Prints the path of page $1; on a terminal as a link to it (OSC 8).
page_announce() {
    local path url
    path=$(realpath -- "$1")
    if bench_on_terminal; then
        url=$(jq -nr --arg path "$path" '$path | split("/") | map(@uri) | join("/")')
        say $'\e]8;;file://'"$HOSTNAME$url"$'\e\\'"$path"$'\e]8;;\e\\'
    else
        say "$path"
    fi
}
