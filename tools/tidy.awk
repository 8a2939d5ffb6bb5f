# tidy.awk - reads tools/layers.txt, tools/tidy-allow.txt and then the sources, once.
#
# In the product folders: line length, tabs, trailing blanks, `//`, banned functions, layers,
# foreign headers, dead headers, length of files and functions, parameters, nesting. Other folders
# are read for what they include only.

BEGIN {
    n = split(product, list, " ")
    for (i = 1; i <= n; i++)
        is_product[list[i]] = 1

    # name -> where it may stand: path prefixes; "" is nowhere
    ban("strcpy strcat stpcpy sprintf vsprintf strncpy strncat strtok strtok_r strdup strndup", "")
    ban("gets atoi atol atoll strtol strtoul strtoll strtoull gmtime localtime ctime asctime", "")
    ban("rand random srand usleep system popen signal alloca", "")
    ban("getenv secure_getenv", "gate/main.c cli/main.c")
    ban("malloc calloc realloc free", "base/")
    ban("time clock clock_gettime gettimeofday", "io/ gate/main.c cli/main.c")
}

function ban(names, places,    list, n, i)
{
    n = split(names, list, " ")
    for (i = 1; i <= n; i++) {
        banned[list[i]] = 1
        ban_places[list[i]] = places
    }
}

function say(line, what)
{
    print file ":" line ": " what
    offences++
}

# "a/*.c" against a path
function matches(path, glob,    re)
{
    re = glob
    gsub(/[.+]/, "[&]", re)
    gsub(/[*]/, "[^/]*", re)
    return path ~ ("^" re "$")
}

# --- the two lists

FILENAME == "tools/layers.txt" {
    if ($1 == "folder" || $1 == "foreign" || $1 == "libc") {
        name = $2
        sub(/:$/, "", name)
        rest = $0
        sub(/^[^:]*:[ ]*/, "", rest)
        if ($1 == "folder")
            layer[name] = " " rest " "
        else if ($1 == "libc")
            libc[name] = " " rest " "
        else {
            foreign[++foreigns] = name
            foreign_files[foreigns] = rest
        }
    }
    next
}

FILENAME == "tools/tidy-allow.txt" {
    if (NF && $1 !~ /^#/) {
        allow[$1] = 1
        if (NF < 2) {
            file = FILENAME
            say(FNR, $1 " is listed without a reason")
        }
    }
    next
}

# --- one file after the other

FNR == 1 {
    end_file()
    file = FILENAME
    folder = file
    sub(/\/.*/, "", folder)
    exists[file] = 1
    check = folder in is_product
    in_comment = continued = in_function = 0
    statement = ""
}

{ lines = FNR }

/^[ \t]*#[ \t]*include/ { check_include() }

!check { next }

{
    if (index($0, "\t"))
        say(FNR, "a tab")
    if ($0 ~ /[ \r]$/)
        say(FNR, "a trailing blank")
    if (length($0) > 100) {
        shown = $0
        gsub(/[\200-\277]/, "", shown) # a character of several bytes counts once
        if (length(shown) > 100)
            say(FNR, length(shown) " columns; 100 at most")
    }
    code = strip($0)
    macro = continued || code ~ /^[ ]*#/
    continued = macro && $0 ~ /\\$/
    check_banned(code)
    if (!macro)
        check_shape(code)
}

END {
    end_file()
    for (path in allow) {
        file = "tools/tidy-allow.txt"
        if (path ~ /[(][)]$/) {
            if (!(path in used))
                say(1, path " has no need to be listed")
        } else if (!(path in exists))
            say(1, path " does not exist")
        else if (length_of[path] <= 600)
            say(1, path " has no need to be listed")
    }
    for (i = 1; i <= headers; i++) {
        file = header[i]
        if (!(file in included))
            say(1, "a dead header: only its own .c includes it, or nobody")
    }
    for (i = 1; i <= wanted; i++) {
        file = want_from[i]
        if (!(want[i] in exists))
            say(want_line[i], "\"" want[i] "\" is no header of the tree; write folder/file.h")
    }
    exit offences > 0
}

function end_file()
{
    if (file == "" || !(file in exists))
        return
    length_of[file] = lines
    if (!check)
        return
    if (file ~ /[.]h$/)
        header[++headers] = file
    if (lines > 1000)
        say(lines, lines " lines; 1000 at most, whatever the reason")
    else if (lines > 600 && !(file in allow))
        say(lines, lines " lines; 600 at most")
}

# The line without comments, with empty strings and characters. Keeps columns only at the start.
function strip(s,    out, m, two, end)
{
    out = ""
    if (!in_comment && s !~ /["'\/]/)
        return s
    while (s != "") {
        if (in_comment) {
            end = index(s, "*/")
            if (!end)
                return out
            s = substr(s, end + 2)
            in_comment = 0
            continue
        }
        if (!match(s, /["']|\/[*]|\/\//))
            return out s
        out = out substr(s, 1, RSTART - 1)
        two = substr(s, RSTART, 2)
        m = substr(two, 1, 1)
        s = substr(s, RSTART + (m == "/" ? 2 : 1))
        if (two == "//") {
            if (check)
                say(FNR, "a // comment")
            return out
        }
        if (m == "/") {
            in_comment = 1
            continue
        }
        # behind the opening quote: up to the closing one that no backslash precedes
        if (m == "\"")
            match(s, /^([^"\\]|\\.)*"/)
        else
            match(s, /^([^'\\]|\\.)*'/)
        out = out m m
        s = RSTART ? substr(s, RLENGTH + 1) : ""
    }
    return out
}

# --- includes

function check_include(    name, to, k, n, list, ok)
{
    name = $0
    if (name ~ /"/) {
        sub(/^[^"]*"/, "", name)
        sub(/".*/, "", name)
        note_include(name)
        if (check)
            check_layer(name)
        return
    }
    sub(/^[^<]*</, "", name)
    sub(/>.*/, "", name)
    if (!check)
        return
    for (k = 1; k <= foreigns; k++) {
        if (!matches(name, foreign[k]))
            continue
        n = split(foreign_files[k], list, " ")
        ok = 0
        for (to = 1; to <= n; to++)
            ok = ok || matches(file, list[to])
        if (!ok)
            say(FNR, "<" name "> may not be included here (tools/layers.txt)")
        return
    }
    if (file in libc)
        ok = index(libc[file], " " name " ")
    else
        ok = !(folder in libc) || index(libc[folder], " " name " ")
    if (!ok)
        say(FNR, "<" name "> is not for a pure folder (tools/layers.txt)")
}

function note_include(name,    own)
{
    want[++wanted] = name
    want_from[wanted] = file
    want_line[wanted] = FNR
    own = name
    sub(/[.]h$/, ".c", own)
    if (own != file && name != file)
        included[name] = 1
}

function check_layer(name,    to)
{
    to = name
    sub(/\/.*/, "", to)
    if (to == folder || to == name)
        return
    if (!(folder in layer))
        say(FNR, "the folder " folder " stands in no line of tools/layers.txt")
    else if (!index(layer[folder], " " to " ") && !index(layer[folder], " " name " ") &&
             layer[folder] != " * ")
        say(FNR, folder " may not include \"" name "\" (tools/layers.txt)")
}

# --- banned functions: a name, no member of something, with ( behind it

function check_banned(code,    rest, word, before, places, list, n, i, ok)
{
    if (!index(code, "("))
        return
    rest = code
    before = ""
    while (match(rest, /[A-Za-z_][A-Za-z0-9_]*[ ]*[(]/)) {
        if (RSTART > 1)
            before = substr(rest, RSTART - 1, 1)
        word = substr(rest, RSTART, RLENGTH - 1)
        sub(/[ ]+$/, "", word)
        rest = substr(rest, RSTART + RLENGTH - 1)
        if ((word in banned) && before != "." && before != ">") {
            ok = 0
            n = split(ban_places[word], list, " ")
            for (i = 1; i <= n; i++)
                ok = ok || index(file, list[i]) == 1
            if (!ok)
                say(FNR, word "() is banned here")
        }
        before = "("
    }
}

# --- functions: length, parameters, nesting

function check_shape(code)
{
    if (in_function) {
        if (code ~ /^}/) {
            if (FNR - function_line + 1 > 70)
                say(function_line, FNR - function_line + 1 " lines in a function; 70 at most")
            in_function = 0
            statement = ""
        } else if (match(code, /^ +/) && RLENGTH >= 16 &&
                   code ~ /^ +(if|for|while|do|switch|[A-Z_]+_EACH)[ ({]/)
            say(FNR, "nesting deeper than 3")
        return
    }
    if (code ~ /^{/) {
        in_function = 1
        check_parameters()
        return
    }
    # outside of functions: gather one declaration after the other
    if (code ~ /^[ ]*$/) {
        statement = ""
        return
    }
    if (statement == "")
        function_line = FNR
    statement = statement " " code
    if (code ~ /;[ ]*$/) {
        check_parameters()
        statement = ""
    } else if (code ~ /^}/)
        statement = ""
}

# Counts the commas of the parameter list in `statement`: the first group in parentheses that
# belongs to no attribute and is no (*name).
# The name of the function whose "(" stands at i.
function name_before(s, i,    t) {
    t = substr(s, 1, i - 1)
    sub(/ +$/, "", t)
    sub(/.*[^A-Za-z0-9_]/, "", t)
    return t
}

function has_reason_for(name) {
    if (!((name "()") in allow))
        return 0
    used[name "()"] = 1
    return 1
}

function check_parameters(    s, i, c, depth, word, start, commas, group)
{
    s = statement
    if (s !~ /[(]/ || s ~ /[={]/)
        return
    word = ""
    depth = 0
    for (i = 1; i <= length(s); i++) {
        c = substr(s, i, 1)
        if (c == "(") {
            if (depth++ == 0) {
                start = i
                commas = 0
            }
        } else if (c == ")") {
            if (--depth > 0)
                continue
            group = substr(s, start + 1, i - start - 1)
            if (word !~ /^(PRINTF_LIKE|__attribute__|_Alignas)$/ && group !~ /^[*]/) {
                if (group ~ /, *[.][.][.]$/)
                    commas--
                if (commas + 1 > 6 && !has_reason_for(name_before(s, start)))
                    say(function_line, commas + 1 " parameters; 6 at most")
                return
            }
            word = ""
        } else if (depth == 1 && c == ",")
            commas++
        else if (depth == 0)
            word = c ~ /[A-Za-z0-9_]/ ? word c : (c == " " ? "" : word)
    }
}
