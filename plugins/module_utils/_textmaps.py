# Copyright: (c) sqlmail contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at
# any time. Do not use it directly.

"""The text files of sendmail, read as sendmail reads them, and written.

Source of every rule is sendmail 8.18: makemap/makemap.c for maps, readaliases() of
sendmail/alias.c with prescan() of sendmail/parseaddr.c for aliases, fileclass() of
sendmail/readcf.c for classes.  Nothing that is read raises an error; what cannot be
taken is a remark.  Imports neither Ansible nor psycopg2.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.sqlmail.sendmail.plugins.module_utils._plan import CLASSES

__all__ = [
    "Config",
    "Include",
    "Line",
    "Reading",
    "Remark",
    "Source",
    "excerpt",
    "fold",
    "join",
    "lower_local",
    "parse_aliases",
    "parse_class",
    "parse_config",
    "parse_dump",
    "parse_map",
    "questions",
    "raised",
    "render",
    "targets",
    "together",
]

# Bytes that one line may have, with its line break: BUFSIZE of makemap.c, BUFSIZ of
# stdio.h for a line of aliases with its continuations, MAXLINE of conf.h for a class.
MAP_LINE = 1023
ALIAS_LINE = 8191
CLASS_LINE = 2047

# Lists may name lists; sendmail itself stops at MaxAliasRecursion.
INCLUDE_DEPTH = 10

# The limits of the types mail.map_key and mail.map_value.
_MOST_BYTES = {"key": 1024, "value": 8192}

# isspace() of the C locale.
_SPACE = " \t\n\v\f\r"
_NO_TEXT = re.compile(r"[\x00-\x1f\x7f]")
# OperatorChars of cf/m4/proto.m4, and what parseaddr.c adds to them.
_OPERATORS = '.:%@!^/[]+()<>,;\\"\r\n'


class Line(t.NamedTuple):
    """An entry, and where it stands."""

    path: str
    number: int
    key: str
    value: str | None


class Remark(t.NamedTuple):
    """Something that is not taken.

    `used` tells whether sendmail uses it today; if so, leaving it out changes where mail goes.
    """

    path: str
    number: int
    key: str
    cause: str
    cure: str
    used: bool

    def __str__(self) -> str:
        place = f"{self.path}:{self.number}" if self.number else self.path
        name = f" {self.key!r}" if self.key else ""
        return f"{place}:{name} {self.cause}; {self.cure}"


class Reading(t.NamedTuple):
    """What a file says, in the order of its lines."""

    lines: list[Line]
    remarks: list[Remark]


class Source(t.NamedTuple):
    """A file that sendmail.cf names for a map, class or aliases.

    `kind` is the class of the map (hash, text ...), "class" or "aliases"; `options` is
    the rest of the line: options of the map, or the format of a class.
    """

    map: str
    path: str
    kind: str
    options: str


class Config(t.NamedTuple):
    """What sendmail.cf says of maps: files, and members of classes in its own lines."""

    sources: list[Source]
    members: dict[str, list[Line]]


Include = t.Callable[[str], "bytes | None"]


def fold(key: str) -> str:
    """Return the key as makemap and newaliases store it: ASCII letters in lower case."""
    return re.sub("[A-Z]+", lambda found: found[0].lower(), key)


def raised(key: str) -> str:
    """Return the key with ASCII letters in capitals."""
    return re.sub("[a-z]+", lambda found: found[0].upper(), key)


def lower_local(map_name: str, key: str) -> str:
    """Return the key with its local part in lower case; what has no case stays as typed."""
    if map_name == "access":
        tag, rest = re.fullmatch(r"([A-Za-z_]+:)?(.*)", key, re.DOTALL).groups()
        return (tag or "") + lower_local("virtualusers", rest) if "@" in rest else key
    if map_name not in ("aliases", "virtualusers", "genericstable"):
        return key
    local, at, domain = key.rpartition("@")
    return fold(local) + at + domain if at else fold(key)


# Reading ------------------------------------------------------------------------------------


class _Notes:
    """Collects the entries and remarks of one file.

    The file is parsed as Latin-1, which has a character for every byte, and what is
    taken becomes UTF-8, which the database has.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.lines: list[Line] = []
        self.remarks: list[Remark] = []

    def remark(self, number: int, key: str, cause: str, cure: str, *, used: bool) -> None:
        shown = key.encode("latin-1").decode("utf-8", "backslashreplace")
        self.remarks.append(Remark(self.path, number, excerpt(shown), cause, cure, used))

    def take(self, number: int, key: str, value: str | None, *, member: bool = False) -> None:
        try:
            text = [
                None if part is None else part.encode("latin-1").decode("utf-8")
                for part in (key, value)
            ]
        except UnicodeDecodeError as error:
            self.remark(
                number,
                key,
                f"byte 0x{error.object[error.start]:02x} is not UTF-8, which the database has",
                "save the file as UTF-8",
                used=True,
            )
            return
        for name, part in (("key", text[0]), ("value", text[1] or "")):
            cause = _limit(name, part)
            if cause:
                self.remark(number, key, cause[0], cause[1], used=True)
                return
        if member and re.search(r"^[.]|[.]$|([.:].*){16}", text[0]):
            self.remark(
                number,
                key,
                "a member of a class neither begins nor ends with a dot and has at most 16 parts",
                "write it as sendmail sees the domain, or delete it",
                used=True,
            )
            return
        self.lines.append(Line(self.path, number, text[0], text[1]))

    def done(self) -> Reading:
        return Reading(self.lines, self.remarks)


def excerpt(text: str) -> str:
    """Return what is shown of a key."""
    return text if len(text) <= 60 else f"{text[:57]}..."


def _limit(name: str, text: str) -> tuple[str, str] | None:
    """Say why the database would not take a text, whatever map it is for."""
    size = len(text.encode())
    if size > _MOST_BYTES[name]:
        return f"the {name} has {size} bytes, the database takes {_MOST_BYTES[name]}", "shorten it"
    found = _NO_TEXT.search(text)
    if found:
        return (
            f"the {name} contains the control character 0x{ord(found[0]):02x}",
            "write a blank instead, or delete it",
        )
    if name == "key" and text != text.strip():
        return "the key begins or ends with a blank", "delete the blank"
    return None


def _tidy(value: str) -> str:
    """Return a value with blanks as sendmail sees them.

    Outside of quotes, prescan() takes a tab or a carriage return for a blank, and
    drops blanks at the ends.
    """
    pieces = re.split(r'("(?:[^"\\]|\\.)*")', value)
    pieces[::2] = [re.sub(r"[\t\n\v\f\r]", " ", piece) for piece in pieces[::2]]
    return "".join(pieces).strip(_SPACE)


def _pieces(text: str, size: int) -> t.Iterator[tuple[int, str, bool]]:
    """Give what fgets() with a buffer reads: number of the line, text, whether it is whole."""
    for number, line in enumerate(re.findall(r"[^\n]*\n|[^\n]+", text), 1):
        for start in range(0, len(line), size):
            piece = line[start : start + size]
            # At the end of the file there need not be a line break.
            yield number, piece, piece.endswith("\n") or len(piece) < size


def parse_map(
    content: bytes,
    path: str,
    *,
    folds: bool = True,
    separator: str = "",
    empty: bool = False,
    replace: bool = False,
) -> Reading:
    """Read the source of a map as makemap does.

    The options are those of makemap: folds is no -f, separator is -t, empty is -e,
    replace is -r.  A line that makemap refuses is a remark, not used.
    """
    notes = _Notes(path)
    found: dict[str, int] = {}
    for number, piece, whole in _pieces(content.decode("latin-1"), MAP_LINE):
        line = piece[:-1] if piece.endswith("\n") else piece
        if whole and line == piece:
            # Without a line break makemap does not notice that the text has ended before.
            line = _head(line)
        key, value = _split(line, separator)
        if not whole:
            notes.remark(
                number,
                key,
                f"the line has more than {MAP_LINE - 1} bytes, which makemap does not take",
                "shorten it; makemap reads the rest as a line of its own",
                used=False,
            )
        elif line == "" or line.startswith("#"):
            continue
        elif "\0" in line:
            notes.remark(number, _head(key), "the line has a NUL byte", "delete it", used=False)
        elif not separator and line[0] in _SPACE:
            notes.remark(
                number,
                _split(line.strip(_SPACE), "")[0],
                "the line begins with a blank, which makemap does not take",
                "delete the blank; a map has no continuation lines",
                used=False,
            )
        elif value == "" and not empty:
            notes.remark(
                number, key, "no value follows the key", "add one, or delete the line", used=False
            )
        else:
            name = fold(key) if folds else key
            if name in found and not replace:
                notes.remark(
                    number,
                    key,
                    f"line {found[name]} has the key already, and makemap takes the first",
                    "delete one of them",
                    used=False,
                )
                continue
            if name in found:
                _drop(notes, found[name], number, "makemap -r takes the last")
            found[name] = number
            _take_value(notes, number, key, value)
    return notes.done()


def _head(text: str) -> str:
    """Return what C sees of a text."""
    return text.partition("\0")[0]


def _split(line: str, separator: str) -> tuple[str, str]:
    """Split a line into key and value."""
    blanks = re.escape(separator) if separator else f"[{_SPACE}]"
    parts = re.split(f"(?:{blanks})+", line, maxsplit=1)
    return parts[0], parts[1] if len(parts) > 1 else ""


def _take_value(notes: _Notes, number: int, key: str, value: str) -> None:
    tidy = _tidy(value)
    if tidy == "":
        notes.remark(
            number,
            key,
            "the value is empty, and the database has no such rows",
            "give it a value, or delete the line",
            used=True,
        )
    elif key == "":
        notes.remark(number, key, "the key is empty", "delete the line", used=True)
    else:
        notes.take(number, key, tidy)


def _drop(notes: _Notes, earlier: int, number: int, reason: str) -> None:
    """Let a later line take the place of an earlier one."""
    for index, line in enumerate(notes.lines):
        if line.number == earlier:
            del notes.lines[index]
            notes.remark(
                earlier,
                line.key.encode().decode("latin-1"),
                f"line {number} has the key again, and {reason}",
                "delete one of them",
                used=False,
            )
            return


def parse_dump(
    content: bytes,
    path: str,
    map_name: str,
    *,
    separator: str = "\t",
    include: Include | None = None,
) -> Reading:
    """Read what `makemap -u` prints: the entries of a compiled map, in any order."""
    notes = _Notes(path)
    for number, line in enumerate(re.findall(r"[^\n]+", content.decode("latin-1")), 1):
        key, found, value = line.partition(separator)
        if map_name == "aliases":
            # newaliases marks a database that is complete.
            if (key, value) != ("@", "@"):
                _take_alias(notes, number, key, value, include)
        elif not found:
            notes.remark(number, key, "the entry has no value", "rebuild the map", used=True)
        else:
            _take_value(notes, number, key, value)
    return notes.done()


def parse_class(content: bytes, path: str, *, first_word: bool = False) -> Reading:
    """Read the file of a class: words, up to a # if the line of sendmail.cf says %[^\\#].

    What follows the # after a single word is the remark of its row.  first_word is for a
    line of sendmail.cf without a format: then the first word counts and no other.
    """
    notes = _Notes(path)
    found: set[str] = set()
    for number, piece, whole in _pieces(content.decode("latin-1"), CLASS_LINE):
        if piece.startswith("#"):
            continue
        text, _hash, remark = _head(piece).partition("#")
        if first_word:
            text = _head(piece)
        words = [word for word in re.split(f"[{_SPACE}]+", text) if word]
        words = words[:1] if first_word else words
        if not whole:
            notes.remark(
                number,
                (words or [""])[0],
                f"the line has more than {CLASS_LINE - 1} bytes; sendmail cuts it in pieces",
                "write each word into a line of its own",
                used=False,
            )
        for word in words:
            if fold(word) not in found:
                found.add(fold(word))
                note = _tidy(remark) if len(words) == 1 else ""
                notes.take(number, word, note or None, member=True)
    return notes.done()


# Aliases ------------------------------------------------------------------------------------


def _alias_lines(text: str) -> t.Iterator[tuple[int, str, str]]:
    """Give logical lines with the number of their first line, and a complaint or ''."""
    physical = re.findall(r"[^\n]*\n|[^\n]+", text)
    index = 0
    while index < len(physical):
        number = index + 1
        line = physical[index]
        index += 1
        while True:
            if len(line) > 1 and line.endswith("\\\n") and "\0" not in line:
                line = line[:-2]
            elif index < len(physical) and physical[index][0] in " \t":
                line = line[:-1] if line.endswith("\n") else line
            else:
                break
            if index >= len(physical):
                break
            line += physical[index]
            index += 1
            if len(line) > ALIAS_LINE:
                # The rest of the logical line goes with it.
                while index < len(physical) and (
                    physical[index - 1].endswith("\\\n") or physical[index][0] in " \t"
                ):
                    index += 1
                break
        if "\0" in line:
            # sendmail looks for the line break before the NUL byte and so loses a line more.
            yield number, _head(line), "the line has a NUL byte; the next one is lost, too"
            index += 1
        elif len(line) > ALIAS_LINE or (len(line) == ALIAS_LINE and not line.endswith("\n")):
            yield (
                number,
                line,
                (
                    f"the line has, with its continuations, more than {ALIAS_LINE - 1} bytes,"
                    " which sendmail does not take"
                ),
            )
        else:
            yield number, line[:-1] if line.endswith("\n") else line, ""


def parse_aliases(
    content: bytes,
    path: str,
    *,
    local_names: t.Collection[str] = (),
    folds: bool = True,
    include: Include | None = None,
) -> Reading:
    """Read a file of aliases as newaliases does.

    Of two lines with one name the last one counts.  A name may have a domain only if that
    is one of local_names (class w).  With include, lists in files become part of the value;
    it returns what a file holds, or None if it cannot be read.
    """
    notes = _Notes(path)
    local = {fold(name) for name in (*local_names, "localhost")}
    found: dict[str, int] = {}
    for number, line, complaint in _alias_lines(content.decode("latin-1")):
        name, colon, value = line.partition(":")
        name = name.strip(_SPACE)
        if complaint:
            notes.remark(number, name, complaint, "shorten it, or make it two", used=False)
        elif line == "" or line.startswith("#"):
            continue
        elif line[0] in " \t":
            notes.remark(
                number,
                line.strip(_SPACE),
                "the line begins with a blank and continues nothing",
                "delete the blank",
                used=False,
            )
        elif not colon:
            notes.remark(number, name, "the line has no colon", "write name: target", used=False)
        elif name.count('"') % 2:
            whole = re.match(r'(?:"[^"]*"|[^:"])*', line)
            notes.remark(
                number,
                _alias_name(whole[0], local)[0] or name,
                "a name in quotes has a colon, after which sendmail reads the targets",
                "choose a name without a colon",
                used=True,
            )
        else:
            key, cause = _alias_name(name, local)
            if cause:
                notes.remark(
                    number, name, cause, "write a local name, or delete the line", used=False
                )
            elif value.strip(_SPACE) == "":
                notes.remark(
                    number, name, "no target follows the name", "add one, or delete it", used=False
                )
            else:
                same = fold(key) if folds else key
                if same in found:
                    _drop(notes, found[same], number, "newaliases takes the last")
                    notes.remarks[:] = [
                        one for one in notes.remarks if not (one.used and one.number == found[same])
                    ]
                found[same] = number
                _take_alias(notes, number, key, value, include)
    return notes.done()


def _take_alias(
    notes: _Notes, number: int, key: str, value: str, include: Include | None = None
) -> None:
    names, cause = targets(value)
    if include and not cause:
        names, cause = _expand(names, include, [])
    if cause:
        notes.remark(number, key, cause, "write targets separated by commas", used=True)
    elif not names:
        notes.remark(number, key, "the value names nobody", "add a target", used=True)
    elif key == "":
        notes.remark(number, key, "the name is empty", "delete the line", used=False)
    else:
        notes.take(number, key, ", ".join(names))


def _tokens(text: str) -> list[str]:
    """Return words, quoted strings and operators, with comments and blanks taken away.

    A blank between two words is a token of its own: sendmail writes BlankSub, a dot, there.
    """
    tokens: list[str] = []
    blank = False
    for part in _WORD.findall("".join(_uncommented(text))):
        if part[0] in _SPACE:
            blank = True
            continue
        if blank and tokens and _is_word(tokens[-1]) and _is_word(part):
            tokens.append(" ")
        tokens.append(part)
        blank = False
    return tokens


_WORD = re.compile(
    rf'"(?:[^"\\]|\\.)*"|\\.|[{_SPACE}]+|[^{re.escape(_OPERATORS + _SPACE)}]+|.', re.DOTALL
)


def _is_word(part: str) -> bool:
    return part[0] not in _OPERATORS or len(part) > 1


def _inner(tokens: list[str]) -> list[str]:
    """Return what stands in angle brackets, if there are some."""
    if "<" in tokens:
        begin = tokens.index("<")
        rest = tokens[begin + 1 :]
        return rest[: rest.index(">")] if ">" in rest else tokens
    return tokens


def _alias_name(name: str, local: t.Collection[str]) -> tuple[str, str]:
    """Return the name of an alias as newaliases stores it, and why there is none or ''."""
    tokens = _inner(_tokens(name))
    joined = _written(tokens)
    if "@" in tokens:
        at = len(tokens) - 1 - tokens[::-1].index("@")
        domain = fold("".join(tokens[at + 1 :])).rstrip(".")
        if at == 0 or "@" in tokens[:at]:
            return "", f"{joined!r} is no local name"
        if domain not in local:
            return "", f"{domain!r} is not local, and only local names have aliases"
        tokens = tokens[:at]
        joined = _written(tokens)
    if not tokens or tokens == ['""']:
        return "", "the name is empty"
    if joined[0] in "/|" or any(mark in tokens for mark in "!%,<>"):
        return "", f"{joined!r} is no local name"
    plain = _written(part[1:-1] if _needs_no_quotes(part) else part for part in tokens)
    if "@" in plain:
        return "", f"{plain!r} is no local name, in quotes neither"
    return ("postmaster" if fold(plain) == "postmaster" else plain), ""


def _written(tokens: t.Iterable[str]) -> str:
    """Return tokens as one text, as cataddr() of sendmail does."""
    return "".join("." if part == " " else part for part in tokens)


def _needs_no_quotes(part: str) -> bool:
    return re.fullmatch(r'"[^\s"\\<>(),;]+"', part) is not None


def targets(value: str) -> tuple[list[str], str]:
    """Return the targets of an alias, without comments, and why there are none or ''.

    As sendtolist() and prescan() see them: commas in quotes, comments and angle
    brackets separate nothing, targets may be empty, and what counts of `Bob <bob@b>`
    stands in the brackets.
    """
    pieces = [""]
    angles = 0
    for part in _uncommented(value):
        if part in _UNCLOSED:
            return [], f"a {_UNCLOSED[part]} is not closed"
        angles += {"<": 1, ">": -1}.get(part, 0)
        if part == "," and angles <= 0:
            pieces.append("")
        else:
            pieces[-1] += part
    result = []
    for piece in pieces:
        tidy = _tidy(piece)
        # A program or a file is taken as it stands.
        if tidy and tidy.lstrip('"\\ ')[:1] not in "|/:":
            address = _PHRASE.fullmatch(tidy)
            tidy = address[1] if address else tidy
        if tidy:
            result.append(tidy)
    return result, ""


_UNCLOSED = {'"': "quote", "(": "parenthesis"}
_PHRASE = re.compile(r'(?:"(?:[^"\\]|\\.)*"|[^"<])*<\s*([^<>]*?)\s*>')
_PART = re.compile(r'"(?:[^"\\]|\\.)*"|\\.|.', re.DOTALL)


def _uncommented(text: str) -> t.Iterator[str]:
    """Give quoted strings and characters, with a blank for a comment; last of all what is open."""
    depth = 0
    for part in _PART.findall(text):
        if part == "(":
            depth += 1
        elif part == ")" and depth:
            depth -= 1
            yield " "
        elif not depth:
            yield part
    if depth:
        yield "("


def _expand(names: list[str], include: Include, within: list[str]) -> tuple[list[str], str]:
    """Put the members of lists in files into their place."""
    result: list[str] = []
    for name in names:
        found = re.fullmatch(r'"?:include:\s*(.+?)"?', name, re.IGNORECASE)
        if found is None:
            result.append(name)
            continue
        path = found[1]
        if path in within or len(within) >= INCLUDE_DEPTH:
            return [], f"list {path!r} names itself"
        content = include(path)
        if content is None:
            return [], f"list {path!r} cannot be read"
        for line in content.decode("latin-1").split("\n"):
            if line.startswith("#"):
                continue
            members, cause = targets(line)
            if not cause:
                members, cause = _expand(members, include, [*within, path])
            if cause:
                return [], f"list {path!r}: {cause}" if path not in cause else cause
            result += [member for member in members if member not in result]
    return result, ""


# Several files, and sendmail.cf -----------------------------------------------------------------


def join(readings: t.Sequence[Reading], compared: t.Callable[[str], str]) -> Reading:
    """Make one of the files of a map; sendmail asks the first one first.

    compared returns a key as the database compares it.  Keys of one file that sendmail
    tells apart and the database does not cannot both be taken.
    """
    result = Reading([], [remark for reading in readings for remark in reading.remarks])
    seen: dict[str, Line] = {}
    for reading in readings:
        for line in reading.lines:
            name = compared(line.key)
            first = seen.setdefault(name, line)
            if first is line:
                result.lines.append(line)
                continue
            same_file = first.path == line.path
            if same_file and first.value == line.value:
                continue
            result.remarks.append(
                Remark(
                    line.path,
                    line.number,
                    excerpt(line.key),
                    f"{first.path}:{first.number} has the key already"
                    + ("; the database does not tell them apart" if same_file else ""),
                    "delete one of them",
                    used=same_file,
                )
            )
    return result


_MAP_NAMES = {
    "access": "access",
    "authinfo": "authinfo",
    "domaintable": "domaintable",
    "generics": "genericstable",
    "mailertable": "mailertable",
    "virtuser": "virtualusers",
}
_CLASS_NAMES = {
    "w": "local_domains",
    "R": "relay_domains",
    "VirtHost": "virtual_domains",
    "G": "generics_domains",
    "M": "masquerade_domains",
    "N": "masquerade_exceptions",
    "t": "trusted_users",
}


def parse_config(content: bytes, path: str) -> Config:
    """Return what sendmail.cf says of the maps and classes that the database has.

    The host's own names, $j and localhost, are left out: the new configuration knows them.
    """
    sources: list[Source] = []
    members: dict[str, list[Line]] = {}
    text = content.decode("utf-8", "replace")
    for number, line in enumerate(re.sub(r"\n(?=[ \t])", " ", text).split("\n"), 1):
        sources += _sources(line)
        found = re.fullmatch(r"C\s*(\{\w+\}|\w)\s*(.*)|T\s*(.*)", line)
        name = found and _CLASS_NAMES.get((found[1] or "t").strip("{}"))
        for word in (found[2] or found[3] or "").split() if name else ():
            if "$" not in word and (name, word) != ("local_domains", "localhost"):
                members.setdefault(name, []).append(Line(path, number, word, None))
    return Config(sources, members)


def _sources(line: str) -> list[Source]:
    keyed = re.fullmatch(r"K\s*([A-Za-z0-9_.]+)\s+([A-Za-z0-9]+)\s*(.*)", line)
    if keyed and keyed[1] in _MAP_NAMES:
        words = keyed[3].split()
        path = next((word for word in words[::-1] if not word.startswith("-")), "")
        options = " ".join(word for word in words if word.startswith("-"))
        return [Source(_MAP_NAMES[keyed[1]], path, keyed[2], options)]
    member = re.fullmatch(r"F\s*(\{\w+\}|\w)\s*(?:-o\S*\s+)?(\S+)\s*(.*?)\s*", line)
    name = member and _CLASS_NAMES.get(member[1].strip("{}"))
    if member and name:
        return [Source(name, member[2], "class", member[3])]
    option = re.fullmatch(r"(?:O\s+AliasFile\s*=|OA)\s*(.*)", line)
    result = []
    for spec in re.findall(r'(?:"[^"]*"|[^,"])+', option[1]) if option else ():
        kind, _colon, words = spec.strip().rpartition(":")
        path = words.split()[-1] if words.split() else ""
        options = " ".join(words.split()[:-1])
        result.append(Source("aliases", path, kind or "aliases", options))
    return result


def together(readings: t.Mapping[str, Reading]) -> dict[str, Reading]:
    """Take out what the database refuses only beside other entries.

    Aliases must not lead in a circle, and a domain is local or relayed, not both.
    """
    result = dict(readings)
    local = (
        {fold(line.key) for line in readings["local_domains"].lines}
        if ("local_domains" in readings)
        else set()
    )
    if "relay_domains" in readings:
        result["relay_domains"] = _without(
            readings["relay_domains"],
            {
                line.key: "the domain is local, too"
                for line in readings["relay_domains"].lines
                if fold(line.key) in local
            },
            "delete it here; clients of that name may relay by a row of access, Connect:NAME RELAY",
        )
    if "aliases" in readings:
        result["aliases"] = _without(
            readings["aliases"],
            _circles(readings["aliases"].lines, local),
            "let one of them lead to a mailbox; \\NAME is the mailbox of that name",
        )
    return result


def questions(readings: t.Mapping[str, Reading], most: int = 2000) -> list[str]:
    """Return addresses that tell whether two sendmails agree about the entries.

    Each entry is asked for itself, in capitals, with a detail, and below its domain; of
    very many, evenly chosen ones are.
    """
    found: set[str] = set()
    for name, reading in readings.items():
        for line in reading.lines:
            found.update(_asked(name, line.key))
    step = -(-len(found) // most) or 1
    return sorted(found)[::step]


def _asked(name: str, key: str) -> list[str]:
    local, at, domain = key.rpartition("@")
    if name == "aliases":
        local, domain = key, ""
    elif name in ("mailertable", "domaintable", *_CLASS_NAMES.values()):
        if name == "trusted_users" or re.search("[]:@]|^[0-9.]+$", key):
            return []
        below = key.lstrip(".")
        return [f"{user}@{sub}{below}" for user in ("postmaster", "nobody") for sub in ("", "sub.")]
    elif name != "virtualusers" or not at:
        return []
    user, plus, detail = local.partition("+")
    user = user or "nobody"
    names = [f"{user}+detail", f"{user}+"] if not plus or detail in ("*", "+") else [local]
    names += [user, raised(user)] if not plus else []
    return [f"{name}@{domain}" if domain else name for name in names]


def _without(reading: Reading, causes: t.Mapping[str, str], cure: str) -> Reading:
    return Reading(
        [line for line in reading.lines if line.key not in causes],
        reading.remarks
        + [
            Remark(line.path, line.number, excerpt(line.key), causes[line.key], cure, used=True)
            for line in reading.lines
            if line.key in causes
        ],
    )


def _circles(lines: t.Sequence[Line], local: t.Collection[str]) -> dict[str, str]:
    """Return the aliases that lead back to themselves, and the way."""
    leads: dict[str, list[str]] = {}
    for line in lines:
        names = leads.setdefault(fold(line.key), [])
        for target in targets(line.value or "")[0]:
            name, at, domain = fold(target).rpartition("@")
            name = name if at else domain
            if (at and domain not in local) or name[:1] in ("\\", "|", "/", ":", '"'):
                continue
            user, plus, _detail = name.partition("+")
            names += [name, *([f"{user}+*", user] if plus and user else [])]
    result = {}
    for line in lines:
        way = _way_back(fold(line.key), leads)
        if way:
            shown = way if len(way) <= 10 else [*way[:8], "...", way[-1]]
            result[line.key] = f"aliases lead in a circle: {' -> '.join(shown)}"
    return result


def _way_back(start: str, leads: t.Mapping[str, t.Sequence[str]]) -> list[str]:
    """Return the shortest way from a name to itself; an alias of itself is none."""
    came: dict[str, str] = {}
    waiting = [start]
    while waiting:
        name = waiting.pop(0)
        for step in leads[name]:
            if step == name or step not in leads:
                continue
            if step == start:
                way = [start]
                while name != start:
                    way.insert(0, name)
                    name = came[name]
                return [start, *way]
            if step not in came:
                came[step] = name
                waiting.append(step)
    return []


# Writing ------------------------------------------------------------------------------------------


def render(
    map_name: str,
    entries: t.Iterable[tuple[str, str | None]],
    path: str,
    *,
    folds: bool = True,
) -> tuple[bytes, list[Remark]]:
    """Return the text file of a map, class or aliases, and what it cannot hold.

    The same entries give the same bytes: lines are sorted by the bytes of their keys.
    Reading the file gives the entries again, with the blanks that sendmail sees.
    """
    aliases = map_name == "aliases"
    member = map_name in CLASSES
    lines = [f"# Written by sqlmail.sendmail.map_export from the table {map_name}.\n"]
    remarks: list[Remark] = []
    wanted: dict[str, tuple[str, str]] = {}
    for key, value in sorted(entries, key=lambda entry: entry[0].encode()):
        cause = ""
        shown = value or ""
        if aliases:
            names, cause = targets(shown)
            shown = ", ".join(names)
            line = f"{key}: {shown}\n"
        elif member:
            shown = " ".join(shown.split())
            line = f"{key} # {shown}\n" if shown else f"{key}\n"
        else:
            shown = _tidy(shown)
            line = f"{key}\t{shown}\n"
        again = _read_back(map_name, line, folds)
        same = fold(key) if folds or member else key
        if same in wanted:
            cause = (
                f"key {wanted[same][0]!r} differs only in case, which the file does not tell apart"
            )
        elif not cause and (
            again.remarks or [(one.key, one.value or "") for one in again.lines] != [(key, shown)]
        ):
            cause = again.remarks[0].cause if again.remarks else "sendmail would read another entry"
        if cause:
            remarks.append(
                Remark(path, 0, excerpt(key), cause, "change or delete the row first", used=True)
            )
            continue
        wanted[same] = (key, shown)
        lines.append(line)
    return "".join(lines).encode(), remarks


def _read_back(map_name: str, line: str, folds: bool) -> Reading:
    content = line.encode()
    if map_name == "aliases":
        return parse_aliases(content, "", folds=folds)
    if map_name in CLASSES:
        return parse_class(content, "")
    return parse_map(content, "", folds=folds)
