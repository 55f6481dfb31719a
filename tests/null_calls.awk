# Writes a C program that calls each function of ahoy.h with NULL, bad UTF-8 and wrong numbers.
#
#     awk -f functions.awk ahoy.h | awk -f null_calls.awk null_preamble.h - >null_calls.c
#
# A handle `ahoy_x` comes from `make_ahoy_x` in the preamble and goes by `drop_ahoy_x` there, or else by
# `ahoy_x_free`. A callback type gets a function that returns 0, unless the preamble has a `stub_` for it.

BEGIN { FS = "|" }

FNR == NR {
    line = $0
    while (match(line, /(make|drop|stub)_ahoy_[a-z0-9_]*\(/)) {
        written[substr(line, RSTART, RLENGTH - 1)] = 1
        line = substr(line, RSTART + RLENGTH)
    }
    next
}
{ rows[++count] = $0; exists[$2] = 1 }
$1 == "callback" { callback[$2] = 1 }

END {
    print "/* Generated from ahoy.h by null_calls.awk. */"
    print "#include \"null_runtime.h\""
    for (i = 1; i <= count; i++) {
        fields = split(rows[i], f, "|")
        if (f[1] == "callback")
            stub(f, fields)
    }
    for (i = 1; i <= count; i++) {
        fields = split(rows[i], f, "|")
        if (f[1] == "function" && f[2] != "ahoy_callbacks_stop")
            probe(f, fields)
    }
    # The last, for it ends what callbacks the others need.
    for (i = 1; i <= count; i++) {
        fields = split(rows[i], f, "|")
        if (f[2] == "ahoy_callbacks_stop")
            probe(f, fields)
    }
    print "\nstatic const struct function functions[] = {\n" table "};\n"
    print "int main(void)\n{"
    if (incomplete != "")
        printf "    puts(\"only with NULL, for want of a handle:%s\");\n", incomplete
    print "    return run_all(functions, sizeof functions / sizeof *functions);\n}"
}

function stub(f, fields,    i, list, uses) {
    if (f[2] == "ahoy_destroy_fn" || "stub_" f[2] in written)
        return
    for (i = 4; i < fields; i += 2) {
        list = list (i > 4 ? ", " : "") f[i] " " f[i + 1]
        uses = uses "    (void)" f[i + 1] ";\n"
    }
    printf "\nstatic %s stub_%s(%s)\n{\n%s", f[3], f[2], list == "" ? "void" : list, uses
    print (f[3] == "void" ? "" : "    return 0;\n") "}"
}

# The letter for a parameter; see values_of in null_runtime.h.
function kind(type, name) {
    if (type in callback) return name == "destroy" ? "X" : "C"
    if (type == "void *") return "U"
    if (type == "ahoy_error * *") return "E"
    if (type ~ /^ahoy_[a-z0-9_]* \* \*$/) return "O"
    if (type ~ /^(const )?ahoy_[a-z0-9_]* \*$/) return "H"
    if (type == "const char *") return "T"
    if (type ~ /^const .*\*$/ || type == "uint8_t *") return "B"
    if (type ~ /\*$/) return "S"
    if (type == "double") return "D"
    if (type == "bool") return "L"
    if (type ~ /^(u?int(8|16|32|64)_t|size_t|ahoy_[a-z0-9_]*)$/) return "I"
    return "?"
}

function base(type) {
    sub(/^const /, "", type)
    sub(/ .*/, "", type)
    return type
}

# The call that frees a handle, or "" where nothing does.
function release(type) {
    if ("drop_" type in written) return "drop_" type
    return type "_free" in exists ? type "_free" : ""
}

function probe(f, fields,    i, j, k, t, a, before, after, call, args, outputs, names, previous, array, complete, err, destroy, length_out, frees) {
    complete = f[2] ~ /_free$/ ? "false" : "true"
    for (i = 4; i < fields; i += 2) {
        j = (i - 4) / 2
        t = f[i]
        a = "a" j
        k = kind(t, f[i + 1])
        if (t == "size_t" && previous == "B") k = "N"
        previous = k
        names = names "{\"" f[i + 1] "\", '" k "'}, "
        call = call (j > 0 ? ", " : "") a
        if (k == "H") {
            if ("make_" base(t) in written) {
                before = before sprintf("    %s *%s = bad(%d) ? NULL : make_%s();\n", base(t), a, j, base(t))
                before = before sprintf("    if (!bad(%d) && %s == NULL)\n        complain(\"make_%s failed\", \"\");\n", j, a, base(t))
                if (release(base(t)) != "")
                    frees = frees sprintf("        %s(%s);\n", release(base(t)), a)
            } else {
                before = before sprintf("    %s *%s = NULL;\n", base(t), a)
                complete = "false"
                if (f[2] !~ /_free$/) incomplete = incomplete " " f[2]
            }
        } else if (k == "T") before = before sprintf("    const char *%s = text(%d);\n", a, j)
        else if (k == "B") {
            before = before sprintf("    static %svalue%d[1]%s;\n", element(t), j, t ~ /char \*/ ? " = {\"a\"}" : " = {1}")
            before = before sprintf("    %s%s = bad(%d) ? NULL : value%d;\n", t, a, j, j)
        } else if (k == "C" || k == "X") {
            before = before sprintf("    %s %s = bad(%d) ? NULL : stub_%s;\n", t, a, j, t)
            if (k == "X") destroy = "    expect_destroy(" a " != NULL);\n"
        } else if (k == "U") before = before sprintf("    void *%s = user_data();\n", a)
        else if (k == "E") {
            err = a
            before = before "    ahoy_error *err = POISON;\n"
            before = before sprintf("    ahoy_error **%s = bad(%d) && !(now.bad == EVERYTHING && now.value == 1) ? NULL : &err;\n", a, j)
        } else if (k == "O") {
            # An array of outputs is set as far as it is filled, a single one always.
            array = f[i + 2] == "size_t"
            before = before sprintf("    %s *out%d = %s;\n    %s **%s = bad(%d) ? NULL : &out%d;\n", base(t), j, array ? "NULL" : "POISON", base(t), a, j, j)
            if (!array) {
                after = after sprintf("    if (%s != NULL && failed && out%d != NULL)\n        complain(\"failure leaves something in\", \"%s\");\n", a, j, f[i + 1])
                after = after sprintf("    if (%s != NULL && !failed && out%d == POISON)\n        complain(\"success leaves untouched\", \"%s\");\n", a, j, f[i + 1])
            }
            if (release(base(t)) != "")
                outputs = outputs sprintf("    if (out%d != POISON)\n        %s(out%d);\n", j, release(base(t)), j)
        } else if (k == "S") {
            before = before sprintf("    %s out%d = 77;\n    %s%s = bad(%d) ? NULL : &out%d;\n", base(t), j, t, a, j, j)
            after = after sprintf("    if (%s != NULL && failed && out%d != 0)\n        complain(\"failure leaves something in\", \"%s\");\n", a, j, f[i + 1])
            if (f[i + 1] == "length") length_out = a " != NULL ? out" j " : 0"
        } else if (k == "D") before = before sprintf("    double %s = real(%d);\n", a, j)
        else if (k == "L") before = before sprintf("    bool %s = !bad(%d);\n", a, j)
        else if (k == "I" || k == "N") before = before sprintf("    %s %s = (%s)integer(%d, sizeof(%s));\n", t, a, t, j, t)
        else print "#error \"null_calls.awk does not know the type " t "\""
    }

    printf "\nstatic void run_%s(void)\n{\n%s", f[2], before
    t = f[3]
    refuses = (t == "ahoy_status" && err != "") ? "true" : "false"
    if (t == "void") {
        printf "    %s(%s);\n", f[2], call
    } else {
        printf "    %s%sresult = %s(%s);\n", t, (t ~ /\*$/ ? "" : " "), f[2], call
        if (t == "const char *" && length_out == "") print "    touch_text(result);"
        else if (t ~ /^const (char|uint8_t) \*$/) printf "    touch(result, %s);\n", length_out == "" ? "0" : length_out
        else if (t ~ /^ahoy_[a-z0-9_]* \*$/ && release(base(t)) != "") outputs = outputs "    " release(base(t)) "(result);\n"
        else print "    (void)result;"
    }
    if (after != "")
        printf "    bool failed = %s;\n", refuses == "true" ? "result != AHOY_OK" : "false"
    printf "%s", after
    if (refuses == "true") printf "    judge(result, %s, err);\n", err
    # The order of freeing is free: inputs first in every other case.
    if (frees != "") printf "    if (cases %% 2 == 0) {\n%s    }\n", frees
    printf "%s", outputs
    if (frees != "") printf "    if (cases %% 2 != 0) {\n%s    }\n", frees
    print destroy "}"
    if (names != "") printf "static const struct parameter parameters_%s[] = {%s};\n", f[2], names
    table = table sprintf("    {\"%s\", run_%s, %d, %s, %s, %s},\n", f[2], f[2], (fields - 3) / 2, (names == "" ? "NULL" : "parameters_" f[2]), refuses, complete)
}

# The type of an array's elements: the pointer's without its last star.
function element(type) {
    sub(/\*$/, "", type)
    return type
}
