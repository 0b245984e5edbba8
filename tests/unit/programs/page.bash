# shellcheck shell=bash
# The programs in a page of docs/: each is built with the installed library alone.

# shellcheck source=tests/unit/programs/prog.bash
source "$(dirname -- "${BASH_SOURCE[0]}")/prog.bash"

# programs PAGE: the names of the programs in the page. A program is a block of code with a file name after its language.
programs() {
    sed -n 's/^```[a-z]* \([a-z]*\.[a-z]*\)$/\1/p' "$1"
}

# program PAGE NAME: its text.
program() {
    sed -n "/^\`\`\`[a-z]* $2\$/,/^\`\`\`\$/{/^\`\`\`/!p}" "$1"
}

# build NAME: compiles the program with what pkg-config says. Python needs no compiler.
build() {
    local -a compiler=(gcc) flags
    if [[ $1 == *.py ]]; then
        chmod +x "$BATS_FILE_TMPDIR/$1"
        return
    fi
    [[ $1 != *.cpp ]] || compiler=(g++ -std=c++17)
    read -ra flags < <(PKG_CONFIG_PATH=$BATS_FILE_TMPDIR/own/lib/pkgconfig pkg-config --cflags --libs shmem)
    "${compiler[@]}" -Wall -Wextra -Wshadow -Wpedantic -Werror -fsanitize=address,undefined -fno-sanitize-recover=all \
        -o "$BATS_FILE_TMPDIR/${1%.*}" "$BATS_FILE_TMPDIR/$1" "${flags[@]}"
}

# build_page PAGE: for setup_file. Builds all programs of the page.
build_page() {
    local name
    alone make -s -C "$PROG" O="$STATIC" WERROR=1 PREFIX="$BATS_FILE_TMPDIR/own" install-library
    for name in $(programs "$1"); do
        program "$1" "$name" >"$BATS_FILE_TMPDIR/$name"
        build "$name"
    done
}
