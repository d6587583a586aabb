# SPDX-License-Identifier: Apache-2.0
"""Expected text and JSON with holes, for the text cases (docs/testing.md).

  <any> <word> <n> <id> <short> <time> <ip> <mac> <client>   holes; <id:name> also remembers what it matched as `name`
  <name>     what was remembered must come again        </regex/>   any expression
  \\<         a plain <                                  ...         a whole line: any number of lines
"""
import re

holes = {
    "any": r".*", "word": r"\S+", "n": r"\d+", "id": r"[0-9a-f]{64}", "short": r"[0-9a-f]{12}", "digest": r"sha256:[0-9a-f]{64}",
    "time": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)", "ip": r"\d+\.\d+\.\d+\.\d+",
    "mac": r"[0-9a-f]{2}(?::[0-9a-f]{2}){5}",
}
hole = re.compile(r"\\<|</(?P<regex>(?:[^/]|/(?!>))*)/>|<(?P<name>[a-z_0-9]+)(?::(?P<save>[a-z_0-9]+))?>")


class Mismatch(Exception):
    pass


def line_regex(expected, variables):
    """One expected line -> (compiled expression, names it remembers)."""
    out, at, saved = "", 0, []
    for match in hole.finditer(expected):
        out += re.escape(expected[at:match.start()])
        at = match.end()
        if match.group() == "\\<":
            out += "<"
        elif match["regex"] is not None:
            out += f"(?:{match['regex']})"
        elif match["name"] in variables and not match["save"]:
            out += re.escape(variables[match["name"]])
        elif match["name"] in holes:
            name = match["save"]
            out += f"(?P<{name}>{holes[match['name']]})" if name and name not in saved else f"(?:{holes[match['name']]})"
            saved += [name] if name else []
        else:
            raise Mismatch(f"unknown hole {match.group()} in: {expected}")
    return re.compile(out + re.escape(expected[at:]) + r"\Z"), saved


def match_line(expected, actual, variables):
    regex, saved = line_regex(expected, variables)
    found = regex.match(actual)
    if not found:
        return False
    variables.update({name: found[name] for name in saved})
    return True


def match_lines(expected, actual, variables):
    """`...` lines take as little as they can; returns whether all of `actual` is accounted for."""
    if not expected:
        return not actual
    if expected[0] == "...":
        return any(match_lines(expected[1:], actual[skipped:], variables) for skipped in range(len(actual) + 1))
    return bool(actual) and match_line(expected[0], actual[0], variables) and match_lines(expected[1:], actual[1:], variables)


def check_text(what, expected, text, variables):
    trial = dict(variables)
    if not match_lines(expected, text.splitlines(), trial):
        raise Mismatch(f"{what} differs\n  expected:\n" + indent("\n".join(expected)) + "\n  got:\n" + indent(text))
    variables.update(trial)


def indent(text):
    return "\n".join("    | " + line for line in text.splitlines()) or "    (nothing)"


def check_json(expected, actual, variables, where="$"):
    """Objects: the expected members must be there, more may be ("!name": must not be). Arrays: element by element,
    an element "..." stands for any number. Strings may have holes."""
    if isinstance(expected, dict):
        if not isinstance(actual, dict):
            raise Mismatch(f"{where}: expected an object, got {actual!r}")
        for name, value in expected.items():
            if name.startswith("!"):
                if name[1:] in actual:
                    raise Mismatch(f"{where}.{name[1:]} should not be there")
            elif name not in actual:
                raise Mismatch(f"{where}.{name} is missing; there are: {', '.join(actual)}")
            else:
                check_json(value, actual[name], variables, f"{where}.{name}")
    elif isinstance(expected, list):
        check_array(expected, actual, variables, where)
    elif isinstance(expected, str) and isinstance(actual, str):
        if not match_lines(expected.split("\n"), actual.split("\n"), variables):
            raise Mismatch(f"{where}: expected {expected!r}, got {actual!r}")
    elif expected == "<n>" and isinstance(actual, int) and not isinstance(actual, bool):
        pass
    elif expected == "<any>":
        pass
    elif expected != actual or isinstance(expected, bool) != isinstance(actual, bool):
        raise Mismatch(f"{where}: expected {expected!r}, got {actual!r}")


def check_array(expected, actual, variables, where):
    if not isinstance(actual, list):
        raise Mismatch(f"{where}: expected an array, got {actual!r}")

    def fits(wanted, there, names):
        if not wanted:
            return not there
        if wanted[0] == "...":
            return any(fits(wanted[1:], there[skipped:], names) for skipped in range(len(there) + 1))
        if not there:
            return False
        trial = dict(names)
        try:
            check_json(wanted[0], there[0], trial, where + "[]")
        except Mismatch:
            return False
        if fits(wanted[1:], there[1:], trial):
            names.update(trial)
            return True
        return False

    if "..." not in expected and len(expected) == len(actual):
        for index, (wanted, got) in enumerate(zip(expected, actual)):
            check_json(wanted, got, variables, f"{where}[{index}]")
    elif not fits(expected, actual, variables):
        raise Mismatch(f"{where}: expected {expected!r}, got {actual!r}")
