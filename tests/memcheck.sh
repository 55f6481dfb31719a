#!/bin/sh
# Runs a program under valgrind: any error, any lost byte fails it.
# Usage: memcheck.sh PROGRAM [ARGUMENT...]
exec valgrind --quiet --error-exitcode=9 --leak-check=full --show-leak-kinds=definite,possible \
    --errors-for-leak-kinds=definite,possible --num-callers=30 \
    --suppressions="$(dirname "$0")/valgrind.supp" "$@"
