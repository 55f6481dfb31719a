# Lists the functions and callback types that ahoy.h declares, one a line, for the tests made from it:
#
#     function|name|return type|type|name|type|name...
#     callback|name|return type|type|name...
#
# It reads what cbindgen writes, not C: one declaration between semicolons, every parameter named, function
# pointers by their typedef only.

{ sub(/\/\/.*/, "") }
/^[ \t]*#/ { continued = /\\$/; next }
continued { continued = /\\$/; next }
{ text = text " " $0 }

END {
    # Comments first: they may hold anything, also semicolons.
    while ((from = index(text, "/*")) > 0) {
        rest = substr(text, from + 2)
        to = index(rest, "*/")
        text = substr(text, 1, from - 1) " " substr(rest, to + 2)
    }
    count = split(text, statements, ";")
    for (i = 1; i <= count; i++) {
        statement = statements[i]
        gsub(/[ \t]+/, " ", statement)
        gsub(/ ?\* ?/, " * ", statement)
        gsub(/ +/, " ", statement)
        sub(/^ /, "", statement)
        if (statement ~ /^typedef .*\( \* ahoy_[a-z0-9_]*\)/) {
            match(statement, /\( \* ahoy_[a-z0-9_]*\)/)
            name = substr(statement, RSTART + 4, RLENGTH - 5)
            result = substr(statement, 9, RSTART - 9)
            print "callback|" name "|" trim(result) parameters(substr(statement, RSTART + RLENGTH))
        } else if (statement ~ /AHOY_API/) {
            sub(/^.*AHOY_API /, "", statement)
            gsub(/AHOY_(MUST_USE|DEPRECATED(_NOTE\("[^"]*"\))?) /, "", statement)
            match(statement, /ahoy_[a-z0-9_]*\(/)
            name = substr(statement, RSTART, RLENGTH - 1)
            result = substr(statement, 1, RSTART - 1)
            print "function|" name "|" trim(result) parameters(substr(statement, RSTART + RLENGTH - 1))
        }
    }
}

function trim(s) {
    gsub(/^ +| +$/, "", s)
    return s
}

function parameters(s,    n, i, parts, fields, name, line) {
    gsub(/^[ (]+|[ )]+$/, "", s)
    if (s == "void" || s == "")
        return ""
    n = split(s, parts, ",")
    for (i = 1; i <= n; i++) {
        match(parts[i], /[A-Za-z0-9_]+ *$/)
        name = trim(substr(parts[i], RSTART))
        line = line "|" trim(substr(parts[i], 1, RSTART - 1)) "|" name
    }
    return line
}
