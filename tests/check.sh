# shellcheck shell=sh
# Counting for the test scripts; sourced. Each script closes with `NAME: N passed, N failed`.

passed=0
failed=0

pass() { passed=$((passed + 1)); }

fail() {
    failed=$((failed + 1))
    echo "FAILED: $1"
}

# check TITLE COMMAND...: counts the command's success, shows what it said otherwise.
check() {
    title=$1
    shift
    if said=$("$@" 2>&1); then
        pass
    else
        fail "$title"
        printf '%s\n' "$said" | sed 's/^/    /'
    fi
}

# summary NAME: the closing line. A script that checked nothing has failed.
summary() {
    echo "$1: $passed passed, $failed failed"
    [ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
}
