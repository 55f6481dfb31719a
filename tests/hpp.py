#!/usr/bin/env python3
"""Holds include/ahoy.hpp against include/ahoy.h.

    python3 tests/hpp.py            fails where the two differ
    python3 tests/hpp.py --write    writes the generated parts of ahoy.hpp anew

What follows a pattern in C is generated between the marks `// generated: NAME` and `// end of generated` in
include/ahoy.hpp: constants become enumerators; settings, actions, constructors and accessors become members. What is
written by hand (callbacks, streams, queues) names its C function. A function of ahoy.h that no code of ahoy.hpp names
fails the check, unless NOT_WRAPPED has a reason for it.
"""
import os
import re
import sys
import textwrap

INCLUDE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "include")

# Why a function of ahoy.h has no place in ahoy.hpp.
NOT_WRAPPED = {
    "ahoy_error_user_data": "a callable holds what it needs",
    "ahoy_request_set_user_data": "a callable holds what it needs",
    "ahoy_request_user_data": "a callable holds what it needs",
    "ahoy_response_user_data": "a callable holds what it needs",
    "ahoy_event_user_data": "a callable holds what it needs",
}

# Enumerations: prefix of the constants in C, name in C++, underlying type, what it is.
GROUPS = [
    ("AHOY_E_", "errc", "ahoy_status", "What a function that failed says."),
    ("AHOY_SCHEME_", "scheme", "std::int32_t", "How a host is spoken to."),
    ("AHOY_CIRCUIT_", "circuit", "std::int32_t", "The state of a circuit."),
    ("AHOY_REASON_", "reason", "std::int32_t", "Why an endpoint is available or not."),
    ("AHOY_RETRY_ON_", "retry_on", "std::uint32_t", "Kinds of failure that are tried again; combined with |."),
    ("AHOY_HTTP2_", "http2", "std::int32_t", "Whether HTTP/2 is spoken."),
    ("AHOY_CLASSIFY_", "classify", "std::int32_t", "What the host says of an answer."),
    ("AHOY_WIRE_", "wire", "std::int32_t", "What a piece of a wire trace is."),
    ("AHOY_COMMIT_", "commit", "std::int32_t", "When a streamed answer is handed over."),
    ("AHOY_RESOLVER_", "resolver", "std::int32_t", "What is asked for the addresses of names."),
    ("AHOY_TRACE_", "trace", "std::int32_t", "What is done with W3C traces."),
    ("AHOY_LOG_", "log_level", "std::int32_t", "The severity of a message."),
    ("AHOY_BODY_", "body_step", "std::int32_t", "What a body function did."),
    ("AHOY_METRIC_", "metric_kind", "std::int32_t", "How a metric behaves."),
    ("AHOY_FORMAT_", "text_format", "std::int32_t", "The form of a snapshot's text."),
    ("AHOY_EVENT_", "event_kind", "std::int32_t", "What happened."),
    ("AHOY_OPENED_", "opened", "std::int64_t", "Why a circuit opened."),
    ("AHOY_EJECTED_", "ejected", "std::int64_t", "Why an endpoint was ejected."),
    ("AHOY_FIELD_", "event_field", "std::int32_t", "A number that an event tells."),
    ("AHOY_LIST_", "list_state", "std::int32_t", "How a balancer's list is known."),
    ("AHOY_PHASE_", "phase", "std::int32_t", "A part of an attempt's time."),
    ("AHOY_CRITICAL", "criticality", "std::int32_t", "How important a request is."),
]
# Constants that stand in an enumeration of another prefix, or alone.
ODD = {
    "AHOY_OK": ("errc", "ok"),
    "AHOY_CRITICAL_PLUS": ("criticality", "critical_plus"),
    "AHOY_CRITICAL": ("criticality", "critical"),
    "AHOY_SHEDDABLE_PLUS": ("criticality", "sheddable_plus"),
    "AHOY_SHEDDABLE": ("criticality", "sheddable"),
    "AHOY_FOREVER": (None, "forever"),
    "AHOY_UNKNOWN_LENGTH": (None, "unknown_length"),
}

# Types of handles whose class in C++ has another name.
CLASSES = {"ahoy_hosts": "host_list"}
# What comes before the verb where that is not the type's name.
STEMS = {"ahoy_provider": "ahoy_provider(?:_list)?", "ahoy_client": "ahoy_client(?!_builder|_option_)"}
# Types whose class owns the handle that its generated accessors lend text of; what views lend lives longer than they do.
LENDERS = {"ahoy_endpoint"}
# Functions written by hand, since the pattern is not theirs or would read badly.
BY_HAND = set("""
ahoy_host_new ahoy_provider_list_new ahoy_breaker_new ahoy_retry_new ahoy_client_builder_new ahoy_balancer_new
ahoy_request_new ahoy_queue_new ahoy_hosts_new ahoy_balancer_list_error
ahoy_error_status ahoy_error_message ahoy_error_attempt_count ahoy_error_attempt_at ahoy_error_response
ahoy_response_attempt_count ahoy_response_attempt_at ahoy_response_header ahoy_response_header_count
ahoy_response_notify ahoy_response_header_name_at ahoy_response_header_value_at
ahoy_event_number ahoy_event_time_ms
ahoy_sample_label_count ahoy_sample_label_name_at ahoy_sample_label_value_at
ahoy_sample_bucket_count ahoy_sample_bucket_bound_at ahoy_sample_bucket_value_at
ahoy_completion_status ahoy_text_bytes
ahoy_client_start ahoy_snapshot_add_client
""".split())
# Words of C++ that cannot be names.
KEYWORDS = {"delete": "del", "new": "make", "default": "default_", "try": "try_one", "register": "register_"}

DECLARATION = re.compile(
    r"/\*\*((?:(?!\*/).)*)\*/\s*AHOY_API\s+(?:AHOY_MUST_USE\s+)?([^;()]*?)\b(ahoy_\w+)\(([^;]*?)\);", re.S)
CONSTANT = re.compile(r"/\*\*((?:(?!\*/).)*)\*/\s*#define (AHOY_\w+) ", re.S)


class Function:
    def __init__(self, doc, result, name, parameters):
        self.doc = [line.strip().lstrip("*").strip() for line in doc.strip().splitlines()]
        self.result = " ".join(result.split()).replace(" *", "*")
        self.name = name
        self.parameters = []
        for parameter in " ".join(parameters.split()).split(","):
            if parameter.strip() == "void":
                continue
            match = re.match(r"(.*?)(\w+)$", parameter.strip())
            self.parameters.append((match[1].strip().replace(" *", "*"), match[2]))

    def owner(self):
        """The type whose member this is, and the member's name; None for neither."""
        match = re.match(r"(?:const )?(ahoy_\w+)\*$", self.parameters[0][0]) if self.parameters else None
        made = re.match(r"(ahoy_\w+)\*$", self.result)
        if not match and len(self.parameters) > 1:
            made = re.match(r"(ahoy_\w+)\*\*$", self.parameters[-2][0])
        for type_ in ([made[1]] if made else []) + ([match[1]] if match else []):
            verb = re.match("%s_(.*)$" % STEMS.get(type_, type_), self.name)
            if verb:
                return type_, verb[1]
        return None, None


def read(name):
    with open(os.path.join(INCLUDE, name), encoding="utf-8") as file:
        return file.read()


def c_name(type_):
    return CLASSES.get(type_, type_[len("ahoy_"):])


def group_of(constant):
    if constant in ODD:
        return ODD[constant]
    for prefix, name, _, _ in GROUPS:
        if constant.startswith(prefix) and constant != prefix:
            value = constant[len(prefix):].lower()
            return name, "_" + value if value[0].isdigit() else KEYWORDS.get(value, value)
    words = constant.split("_")
    value = "_".join(words[2:]).lower() or words[1].lower()
    return words[1].lower(), KEYWORDS.get(value, value)


class Header:
    def __init__(self):
        text = read("ahoy.h")
        self.functions = [Function(*match) for match in DECLARATION.findall(text)]
        self.constants = [(" ".join(re.sub(r"^\s*\* ?", "", doc.strip(), flags=re.M).split()), name)
                          for doc, name in CONSTANT.findall(text) if not name.startswith("AHOY_VERSION")]
        self.members = {}
        for function in self.functions:
            type_, verb = function.owner()
            if type_:
                self.members[function.name] = c_name(type_) + ("" if verb == "new" else "::" + member_name(verb))

    def prose(self, text):
        """C's names as those of C++."""
        def function(match):
            return self.members.get(match[0], match[0])

        def constant(match):
            if match[0].endswith("_"):
                for prefix, name, _, _ in GROUPS:
                    if match[0] == prefix:
                        return name
                return match[0]
            if match[0] in {name for _, name in self.constants}:
                group, value = group_of(match[0])
                return "%s::%s" % (group, value) if group else value
            return match[0]

        text = re.sub(r"\bahoy_\w+", function, text)
        text = re.sub(r"\bAHOY_\w+", constant, text)
        text = re.sub(r"\b(an?|the) (\w+) numbers?\b", lambda m: "%s %s" % ("an" if m[2][0] in "aeiou" else "a", m[2])
                      if m[2] in GROUP_NAMES else m[0], text)
        text = re.sub(r"\bone of the (\w+) numbers\b", r"a value of \1", text)
        return re.sub(r"\bNULL\b", "nullptr", text)


GROUP_NAMES = {name for _, name, _, _ in GROUPS}


def member_name(verb):
    verb = re.sub(r"_new$", "", verb)
    verb = re.sub(r"_ms$|_us$|_pem$", "", verb)
    return KEYWORDS.get(verb, verb)


def enum_of(function, name):
    """The enumeration that a parameter, or the result where name is None, takes its numbers from."""
    text = " ".join(function.doc)
    if name is None:
        part = text.split("@param")[0]
    else:
        match = re.search(r"@param %s (.*?)(?=@param|@return|$)" % name, text)
        part = match[1] if match else ""
    for constant in re.findall(r"\bAHOY_[A-Z0-9_]+", part):
        for prefix, group, _, _ in GROUPS:
            if constant.startswith(prefix) and group not in ("errc",):
                return group
        if constant in ODD and ODD[constant][0]:
            return ODD[constant][0]
    return None


class Member:
    """How one C function reads in C++; `ok` is false where the pattern is not its own."""

    def __init__(self, header, function, crtp):
        self.function, self.crtp, self.ok = function, crtp, False
        self.type, verb = function.owner()
        if not self.type or function.name in BY_HAND or verb == "free":
            return
        self.name = member_name(verb)
        if re.search(r"_take_|_at$", function.name) and not function.name.endswith("endpoint_at"):
            return
        self.takes_self = bool(function.parameters) and re.match(
            r"(const )?%s\*$" % self.type, function.parameters[0][0]) is not None
        rest = function.parameters[1:] if self.takes_self else list(function.parameters)
        self.fails = bool(rest) and rest[-1][0] == "ahoy_error**"
        if self.fails:
            rest = rest[:-1]
        self.out = None
        if self.fails and rest and re.match(r"ahoy_\w+\*\*$", rest[-1][0]):
            self.out = rest[-1][0][:-2]
            rest = rest[:-1]
        elif not self.fails and re.match(r"ahoy_\w+\*$", function.result):
            self.out = function.result[:-1]
        self.signature, self.arguments, self.documented = [], [], []
        index = 0
        while index < len(rest):
            step = self.parameter(rest, index)
            if not step:
                return
            index += step
        if not self.takes_self and not self.out:
            return
        if not self.fails and self.takes_self and not self.accessor():
            return
        self.const = self.takes_self and function.parameters[0][0].startswith("const ")
        self.chains = self.fails and not self.out and re.match(r"set|add|forward|use|disable|enable", self.name)
        self.doc = self.documentation(header)
        self.ok = True

    def accessor(self):
        result = self.function.result
        enum = enum_of(self.function, None)
        if result == "const char*":
            self.returns, self.wrap = "std::string_view", "detail::view(%s)"
        elif result == "ahoy_status":
            self.returns, self.wrap = "errc", "static_cast<errc>(%s)"
        elif result == "int32_t" and enum:
            enum = ("ahoy::" if enum == self.name else "") + enum
            self.returns, self.wrap = enum, "static_cast<%s>(%%s)" % enum
        elif result == "uint64_t" and self.function.name.endswith("_us"):
            self.returns, self.wrap = "std::chrono::microseconds", "detail::microseconds(%s)"
        elif result == "uint64_t" and self.function.name.endswith("_ms"):
            self.returns, self.wrap = "std::chrono::milliseconds", "detail::milliseconds(%s)"
        elif result in ("int32_t", "uint16_t", "uint32_t", "uint64_t", "int64_t", "size_t", "intptr_t"):
            self.returns, self.wrap = "std::" + result, "%s"
        elif result in ("bool", "double"):
            self.returns, self.wrap = result, "%s"
        else:
            return False
        return True

    def parameter(self, rest, index):
        """Takes the parameter at an index, and says how many of C's it is; 0 where it fits no pattern."""
        type_, name = rest[index]
        short = re.sub(r"_ms$|_pem$", "", name)
        if type_ == "const char*":
            self.add("const text_ref &", short, short)
        elif type_ == "const uint8_t*" and index + 1 < len(rest) and rest[index + 1][0] == "size_t":
            self.signature.append("bytes %s" % short)
            self.arguments.append("%s.data()" % short)
            self.arguments.append("%s.size()" % short)
            self.documented.append((name, short))
            return 2
        elif type_ == "uint64_t" and name.endswith("_ms"):
            self.add("std::chrono::milliseconds ", short, short)
        elif type_ in ("int32_t", "uint32_t") and enum_of(self.function, name):
            enum = enum_of(self.function, name)
            self.add(("ahoy::" if enum == self.name else "") + enum + " ", short, "detail::to_c(%s)" % short)
        elif re.match(r"u?int(16|32|64)_t$|size_t$", type_):
            self.add("std::%s " % type_, short, short)
        elif type_ in ("bool", "double"):
            self.add(type_ + " ", short, short)
        elif re.match(r"const ahoy_\w+\*$", type_):
            handle = c_name(type_[len("const "):-1])
            self.add("const %s &" % {"response": "response_view"}.get(handle, handle), short, short + ".get()")
        else:
            return 0
        self.documented.append((name, self.signature[-1].split()[-1].lstrip("&")))
        return 1

    def add(self, type_, name, argument):
        self.signature.append(type_ + name)
        self.arguments.append(argument)

    def documentation(self, header):
        names = dict(self.documented)
        lines, skip = [], False
        for line in self.function.doc:
            tag = re.match(r"@(param (\w+)|return)\s*(.*)", line)
            if tag:
                skip = bool(tag[2]) and tag[2] not in names
                if not skip and tag[2]:
                    line = "@param %s %s" % (names[tag[2]], tag[3])
                elif not skip and self.fails:
                    line = "@exception exception %s" % tag[3]
                elif not skip and self.out:
                    skip = True
                    continue
            if not skip:
                lines.append(line)
        # One paragraph a line, wrapped anew below, since names change their length.
        paragraphs = []
        for line in lines:
            if not line or not paragraphs or not paragraphs[-1] or re.match(r"[@-]", line):
                paragraphs.append(line)
            else:
                paragraphs[-1] += " " + line
        for old, new in names.items():
            paragraphs = [re.sub(r"\b%s\b" % old, new, one) if old != new else one for one in paragraphs]
        paragraphs = [without_null(header.prose(one), self.fails or self.out) for one in paragraphs]
        paragraphs = [re.sub(r",? to be freed with \w+(::\w+)?", "", one) for one in paragraphs]
        paragraphs = [re.sub(r"returns errc::ok with (a )?nullptr( response)?", "returns an empty object", one)
                      for one in paragraphs]
        fails_well = re.match(r"@exception exception errc::ok also (.*?)(?:; (.*))?$", paragraphs[-1] if paragraphs else "")
        if fails_well:
            paragraphs[-1:] = ["@note It succeeds also %s." % fails_well[1].rstrip(".")] + (
                ["@exception exception " + fails_well[2]] if fails_well[2] else [])
        paragraphs = [re.sub(r"; (still the caller's to free|nullptr on failure)", "", one) for one in paragraphs]
        while paragraphs and not paragraphs[-1]:
            paragraphs.pop()
        return paragraphs

    def value(self):
        if self.out == "ahoy_text":
            return "std::string"
        if not self.out:
            return "void"
        # A member of the same name hides its type.
        return ("ahoy::" if self.name == c_name(self.out) else "") + c_name(self.out)

    def owner(self):
        return "static_cast<Self &>(*this)" if self.crtp else "*this"

    def self_argument(self):
        if not self.takes_self:
            return []
        return ["static_cast<const Self &>(*this).get()" if self.crtp else "this->get()"]

    def plain(self):
        """An accessor."""
        # What a text reference is to C is said here: no `detail::invoke` does it.
        texts = {part.split("&")[1] for part in self.signature if part.startswith("const text_ref &")}
        arguments = ["%s.usable() ? %s.c_str() : nullptr" % (it, it) if it in texts else it for it in self.arguments]
        call = "%s(%s)" % (self.function.name, ", ".join(self.self_argument() + arguments))
        head = "%s %s(%s) const noexcept" % (self.returns, self.name, ", ".join(self.signature))
        if self.returns == "std::string_view" and self.type in LENDERS:
            head += " AHOY_HPP_LIFETIMEBOUND"
        return comment(self.doc) + body(head, "return %s;" % (self.wrap % call))

    def maker(self):
        return not self.fails and self.out

    def try_form(self):
        how = {"ahoy_text": "detail::make_text"}.get(self.out, "detail::make<%s>" % self.value()) if self.out else "detail::invoke"
        if self.maker():
            how = "detail::construct<%s>" % self.value()
        call = "%s(%s)" % (how, ", ".join(["&" + self.function.name] + self.self_argument() + self.arguments))
        head = "%sresult<%s> try_%s(%s)%s" % (
            "" if self.takes_self else "static ", self.value(), self.name, ", ".join(self.signature),
            " const" if self.is_const() else "")
        return ["/** As %s, without exceptions. */" % self.name] + body(head, "return %s;" % call)

    def is_const(self):
        return self.const and not self.chains

    def throwing_form(self):
        names = ", ".join(one.split()[-1].lstrip("&") for one in self.signature)
        returns = self.value()
        call = "detail::value(try_%s(%s));" % (self.name, names)
        if self.out:
            call = "return " + call
        elif self.chains:
            returns = "Self &" if self.crtp else c_name(self.type) + " &"
            call = call + " return %s;" % self.owner()
        head = "%s%s%s%s(%s)%s" % (
            "" if self.takes_self else "static ", returns, "" if returns.endswith("&") else " ", self.name,
            ", ".join(self.signature), " const" if self.is_const() else "")
        return comment(self.doc) + body(head, call)


def without_null(text, fails):
    """What C's accessors return for NULL is not for C++, whose text is empty where C's is NULL."""
    if fails:
        return text
    text = re.sub(r"\b0 for nullptr and (in|an)\b", r"0 for \1", text).replace("0 for in ", "0 in ")
    text = text.replace("-1 for nullptr, and in", "-1 in")
    text = re.sub(r"(?:;| and) (?:0|-1|false|nullptr|empty|errc::\w+) for nullptr\b", "", text)
    text = re.sub(r",? and for nullptr\b| ?(?:nullptr|false|0|errc::\w+) for nullptr\.", "", text)
    return re.sub(r"\bnullptr\b", "empty", re.sub(r"Valid (as long as the \w+|until the \w+ is freed)\.\s?", "", text))


def comment(paragraphs):
    if len(paragraphs) == 1 and len(paragraphs[0]) < 96:
        return ["/** %s */" % paragraphs[0]]
    lines = ["/**"]
    for paragraph in paragraphs:
        indent = "       " if paragraph.startswith("@") else "  " if paragraph.startswith("- ") else ""
        for line in textwrap.wrap(paragraph, 96, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False) or [""]:
            lines.append((" * " + line).rstrip())
    return lines + [" */"]


def body(head, statement):
    if len(head) + len(statement) < 96:
        return ["%s { %s }" % (head, statement)]
    lines = textwrap.wrap(head + " {", 100, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False)
    for one in re.findall(r"[^;]+;", statement):
        lines += textwrap.wrap(one.strip(), 96, initial_indent="    ", subsequent_indent="        ", break_long_words=False,
                               break_on_hyphens=False)
    return lines + ["}"]


def enumerations(header):
    groups = {}
    for doc, name in header.constants:
        group, value = group_of(name)
        if group:
            groups.setdefault(group, []).append((doc, name, value))
    known = {name: (type_, what) for _, name, type_, what in GROUPS}
    lines = []
    for group, values in groups.items():
        type_, what = known.get(group, ("std::int32_t", "See the constants AHOY_%s_ of ahoy.h." % group.upper()))
        lines += ["/** %s */" % what, "enum class %s : %s {" % (group, type_)]
        for doc, name, value in values:
            lines += ["    " + line for line in comment([header.prose(doc)])]
            lines.append("    %s = %s," % (value, name))
        lines += ["};", ""]
    return lines[:-1]


def members(header, type_, crtp, prefix=None):
    found = [Member(header, function, crtp) for function in header.functions if function.owner()[0] == type_]
    found = [one for one in found if one.ok]
    plain = [one for one in found if not one.fails and not one.maker()]
    failing = [one for one in found if one.fails or one.maker()]
    lines = []
    for one in plain:
        lines += one.plain() + [""]
    if failing:
        lines.append("#if AHOY_HPP_EXCEPTIONS")
        for one in failing:
            lines += one.throwing_form() + [""]
        lines[-1] = "#endif"
        lines.append("")
        for one in failing:
            lines += one.try_form() + [""]
    return lines[:-1]


def generate(header, text):
    def part(match):
        indent, name = match[1], match[2]
        if name == "enumerations":
            lines = enumerations(header)
        else:
            crtp = name.endswith("<Self>")
            lines = members(header, name.replace("<Self>", ""), crtp)
        inner = "".join((line if line.startswith("#") else indent + line).rstrip() + "\n" for line in lines)
        return "%s// generated: %s\n%s%s// end of generated\n" % (indent, name, inner, indent)

    return re.sub(r"^( *)// generated: (\S+)\n.*?^ *// end of generated\n", part, text, flags=re.S | re.M)


def missing(header, text):
    code = re.sub(r"/\*.*?\*/|//[^\n]*", "", text, flags=re.S)
    names = set(re.findall(r"\b(?:ahoy|AHOY)_\w+", code))
    # Pasted by the macro of option tables.
    for stem in re.findall(r"AHOY_HPP_OPTIONS\((\w+)\)", code):
        names |= {"ahoy_%s_option_%s" % (stem, end) for end in ("count", "key_at", "description_at")}
    gone = [function.name for function in header.functions if function.name not in names | set(NOT_WRAPPED)]
    gone += [name for _, name in header.constants if name not in names]
    stale = [name for name in NOT_WRAPPED if name in names]
    return gone, stale


def main():
    header = Header()
    declared = len(re.findall(r"^AHOY_API", read("ahoy.h"), re.M))
    if declared != len(header.functions):
        sys.exit("hpp.py: read %d of %d functions of ahoy.h" % (len(header.functions), declared))
    text = read("ahoy.hpp")
    written = generate(header, text)
    if "--write" in sys.argv[1:]:
        with open(os.path.join(INCLUDE, "ahoy.hpp"), "w", encoding="utf-8") as file:
            file.write(written)
        text = written
    passed, failed = 0, 0
    gone, stale = missing(header, written)
    for name in gone:
        print("FAIL  %s cannot be reached through ahoy.hpp: wrap it, or give the reason in NOT_WRAPPED" % name)
        failed += 1
    for name in stale:
        print("FAIL  NOT_WRAPPED names %s, which ahoy.hpp has" % name)
        failed += 1
    passed += len(header.functions) + len(header.constants) - len(gone)
    if text != written:
        print("FAIL  ahoy.hpp is not what ahoy.h says: run python3 tests/hpp.py --write")
        failed += 1
    print("hpp: %d passed, %d failed" % (passed, failed))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
