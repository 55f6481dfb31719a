#!/bin/sh
# Runs a program under valgrind: any error, any lost byte fails it. What is only possibly lost is none: an arc-swap points
# behind the counters of what it holds, so all that a balancer knows would count where an I/O thread is still letting go
# of its client at exit. A client that is lost is definitely lost.
# Usage: memcheck.sh PROGRAM [ARGUMENT...]
exec valgrind --quiet --error-exitcode=9 --leak-check=full --show-leak-kinds=definite \
    --errors-for-leak-kinds=definite --num-callers=30 "$@"
