"""Writes the encoder's vectors (vectors.json) as C on standard output: a function that makes the calls of each, and the
line that has to come out. usage: vectors.py vectors.json"""

import base64
import json
import sys

TYPES = ["Exec", "Connect", "Open", "Deny", "Exit", "Start", "Drop"]


def literal(data: bytes) -> str:
    """A C string literal; octal escapes of three digits cannot run into what follows."""
    return '"' + "".join(chr(b) if 32 <= b < 127 and b not in b'"\\?' else f"\\{b:03o}" for b in data) + '"'


def pieces(value) -> list:
    """What a vector says in place of text: [bytes, times] pairs."""
    if isinstance(value, list):
        return [piece for part in value for piece in pieces(part)]
    if isinstance(value, str):
        return [(value.encode(), 1)]
    times = value.get("times", 1)
    if "base64" in value:
        return [(base64.b64decode(value["base64"]), times)]
    if "hex" in value:
        return [(bytes.fromhex(value["hex"]), times)]
    return [(value["repeat"].encode(), times)]


def filled(name: str, value) -> list:
    lines = [f"  {name}_length = 0;"]
    for data, times in pieces(value):
        lines.append(f"  add({name}, &{name}_length, {literal(data)}, {len(data)}, {times});")
    return lines


def call(step: list) -> list:
    kind, *rest = step
    if kind == "item" and "each" in rest[0]:
        item = literal(rest[0]["each"].encode())
        size = len(rest[0]["each"].encode())
        return [f"  for (unsigned at = 0; at < {rest[0]['times']}; at++) event_item(line, {item}, {size});"]
    if kind in ("text", "item", "sockaddr"):
        target = "event_" + kind
        name = [literal(rest[0].encode())] if kind == "text" else []
        arguments = ["line", *name, "input", "input_length"]
        return [*filled("input", rest[-1]), f"  {target}({', '.join(arguments)});"]
    if kind == "number":
        # -2^63 has no literal of its own.
        value = "INT64_MIN" if rest[1] == -(2**63) else f"INT64_C({rest[1]})"
        return [f"  event_number(line, {literal(rest[0].encode())}, {value});"]
    if kind == "reserve":
        return [f"  event_reserve(line, {rest[0]});"]
    return [f"  event_{kind}({', '.join(['line', *(literal(text.encode()) for text in rest)])});"]


def main() -> None:
    vectors = json.load(open(sys.argv[1], encoding="utf-8"))["encode"]
    out = ["/* Generated from vectors.json. */"]
    for index, vector in enumerate(vectors):
        calls = [line for step in vector["calls"] for line in call(step)]
        out += [f"static void calls_{index}(struct event_line *line) {{", "  (void)line;", *calls, "}", ""]
        out += [f"static void expect_{index}(void) {{", *filled("expected", vector["line"]), "}", ""]
    out.append("static const struct vector vectors[] = {")
    for index, vector in enumerate(vectors):
        context = vector["context"]
        agent = literal(context["agent"].encode()) if "agent" in context else "NULL"
        fields = [
            literal(vector["name"].encode()),
            "{" + f"{literal(context['source'].encode())}, {literal(context['session'].encode())}, {agent}" + "}",
            f"EVENT_{vector['type'].upper()}",
            f"INT64_C({vector['unix_ms']})",
            str(vector.get("capacity", "EVENT_MAX_BYTES")),
            f"calls_{index}",
            f"expect_{index}",
        ]
        assert vector["type"] in TYPES
        out.append("  {" + ", ".join(fields) + "},")
    out.append("};")
    print("\n".join(out))


main()
