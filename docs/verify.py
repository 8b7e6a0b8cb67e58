#!/usr/bin/env python3
"""
verify.py BUNDLE POLICY [RUN]: prints the verdict, the first bad entry or range, and why; exits as format.md says.

A verifier of full agent-audit-bundle/1 files that was written from docs/format.md, to be read in a sitting. It leaves out
ledger records and witnesses (refused), kept checkpoints, time stamps (only the form of `t` and `w` is checked), subsets
(refused), and the check that a key is a sound point of the curve. Needs Python 3.8 and openssl 3. test/docs runs it beside
the verifier in src/domain.
"""
import base64, datetime, functools, hashlib, json, re, subprocess, sys, tempfile

EXIT = {"INTACT": 0, "TAMPERED": 1, "MALFORMED": 3, "TRUNCATED": 4, "INCOMPLETE": 5, "UNSIGNED TAIL": 6,
        "KEY UNKNOWN": 7, "FORKED": 8, "WRONG RUN": 9}


class Verdict(Exception):
    """The conclusion: verdict, first bad range or None, why."""


def sha(data): return hashlib.sha256(data).digest()
def leaf_hash(leaf): return sha(b"\0" + leaf.encode())
def matches(form): return lambda v: isinstance(v, str) and re.fullmatch(form, v) is not None
def size(v): return type(v) is int and v >= 0
def text(v): return isinstance(v, str)
def some(v): return text(v) and v != ""
def need(ok, why):
    if not ok: raise ValueError(why)


def unbase64(v, length=None):
    raw = base64.b64decode(v, validate=True)
    need(base64.b64encode(raw).decode() == v and length in (None, len(raw)), "base64")
    return raw


def canonical(line):  # RFC 8785, as far as integers and ASCII names go
    def number(v):
        need(re.fullmatch("0|-?[1-9][0-9]{0,15}", v) and abs(int(v)) < 2**53, f"the number {v[:40]}")
        return int(v)
    value = json.loads(line, parse_int=number, parse_float=number, parse_constant=number)
    need(json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True) == line, "not canonical")
    return value


def parse_vkey(v, name=None):  # section 1
    key_name, key_id, key = v.split("+", 2)
    raw = unbase64(key, 33)
    good = raw[0] == 1 and sha(key_name.encode() + b"\n" + raw)[:4].hex() == key_id and not re.search(r"\s", key_name)
    need(good and key_name and name in (None, key_name), "vkey")
    return key_name, key_id, raw[1:]


def signature(note, key):  # section 3: None without a line of the key, else whether all its lines verify
    lines = [line for line in note["lines"] if line[:2] == key[:2]]
    return all(ed25519(key[2], note["text"], raw) for _, _, raw in lines) if lines else None


@functools.lru_cache(None)
def ed25519(key, message, raw):
    with tempfile.TemporaryDirectory() as d:
        for name, data in ("k", bytes.fromhex("302a300506032b6570032100") + key), ("m", message.encode()), ("s", raw):
            with open(f"{d}/{name}", "wb") as file: file.write(data)
        args = f"openssl pkeyutl -verify -pubin -keyform DER -inkey {d}/k -rawin -in {d}/m -sigfile {d}/s".split()
        return subprocess.run(args, capture_output=True).returncode == 0


def parse_line(line):  # of a signature
    dash, name, blob = line.split(" ")
    raw = unbase64(blob)
    need(dash == "—" and name and "+" not in name and not re.search(r"\s", name) and len(raw) > 4, "signature line")
    return name, raw[:4].hex(), raw[4:]


def parse_checkpoint(note):
    body, empty, tail = note.rpartition("\n\n")
    need(empty and tail.endswith("\n") and not re.search(r"[\0-\x09\x0b-\x1f]", note), "note")
    lines = tail[:-1].split("\n")
    need(len(lines) <= 64 and len(note.encode()) <= 2**20, "note")
    parsed = [parse_line(line) for line in lines]
    origin, count, root = body.split("\n")
    need(origin and re.fullmatch("0|[1-9][0-9]{0,15}", count) and int(count) < 2**53, "checkpoint")
    return {"text": body + "\n", "lines": parsed, "origin": origin, "size": int(count), "root": unbase64(root, 32)}


HEX64 = matches("[0-9a-f]{64}")
RESERVED = {"$b64": (1, lambda v: text(v["$b64"]) and unbase64(v["$b64"]) is not None),
            "$h": (1, lambda v: HEX64(v["$h"])), "$json": (1, lambda v: text(v["$json"])),
            "$blob": (2, lambda v: HEX64(v["$blob"]) and size(v.get("$len")))}
MEMBERS = {"data": lambda v: isinstance(v, dict), "prev": HEX64, "seq": size,
           "source": matches("[a-z][a-z0-9_-]{0,31}"), "type": matches("[a-z][a-z0-9_.-]{0,63}"),
           "ts": matches(r"\d{4}-\d\d-\d\dT[0-2]\d:[0-5]\d:[0-5]\d\.\d{3}Z")}
CONTROL = {  # section 2; "?" marks members that may be missing
    "log.open": {"format": matches("agent-audit/1"), "kind": matches("run|ledger"), "origin": some, "host": some,
                 "key": some, "?run": matches("[a-z0-9_-]{0,64}"), "nonce": matches("[0-9a-f]{32}")},
    "log.key": {"epoch": lambda v: size(v) and v > 0, "key": some, "?checkpoints": size},
    "log.close": {"reason": text, "?exit": lambda v: v is None or type(v) is int, "?entries": size,
                  "?checkpoints": size},
    "log.abort": {"signed": size, "cause": text},
    "log.drop": {"source": text, "count": size, "?bytes": size, "?since": text, "?until": text},
    "log.clock": {"step_ms": lambda v: type(v) is int, "?wall": text}}


def check_value(v, depth):
    if isinstance(v, (dict, list)): need(depth <= 32, "nested too deep")
    for item in v.values() if isinstance(v, dict) else v if isinstance(v, list) else ():
        check_value(item, depth + 1)
    for name in v if isinstance(v, dict) else ():
        need(re.fullmatch("[A-Za-z0-9_.$-]{1,64}", name), "a member's name")
    reserved = next((name for name in RESERVED if isinstance(v, dict) and name in v), None)
    need(reserved is None or (len(v) == RESERVED[reserved][0] and RESERVED[reserved][1](v)), f"{reserved}")


def check_leaf(leaf, v):
    need(len(leaf.encode()) <= 65535 and isinstance(v, dict) and set(v) == set(MEMBERS), "leaf")
    for name, ok in MEMBERS.items(): need(ok(v[name]), name)
    datetime.datetime.fromisoformat(v["ts"][:-1])
    check_value(v["data"], 1)
    need(v["source"] == "recorder" or not v["type"].startswith(("log.", "run.")), "source")


class Log:  # sections 6.3 to 6.7
    def __init__(self, origin):
        self.origin, self.n, self.hash, self.ts, self.peaks = origin, 0, "0" * 64, "", []
        self.host = self.key = self.next_key = self.broken = self.refuted = None
        self.run, self.closed, self.aborted, self.epochs, self.epoch_start = "", False, None, 0, 0
        self.signed, self.signed_root, self.checkpoints, self.ahead = 0, None, 0, 0
        self.open, self.follows = [], False  # commitments of the last entry; only disclosures stand behind it

    def bad(self, first, last, why): raise Verdict("TAMPERED", [max(0, first), max(0, first, last)], why)

    def root(self):
        node = None
        for _, peak in reversed(self.peaks): node = peak if node is None else sha(b"\1" + peak + node)
        return node or sha(b"")

    def blame(self, prev=None):  # section 6.6
        differs = prev is not None and prev != self.hash
        if self.broken is not None:
            at = self.broken if differs else self.broken - 1
            self.bad(at, at, "the chain of hashes breaks")
        if self.refuted is not None:
            self.bad(self.n - 1 if differs else self.signed, self.n - 1, "the signed root is another")

    def entry(self, leaf, v):
        n = self.n
        try: check_leaf(leaf, v)
        except ValueError as error: self.blame(); self.bad(n, n, str(error))
        self.blame(v["prev"])
        if self.closed: self.bad(n, n, "an entry after log.close")
        if self.next_key: self.bad(n - 1, n - 1, "log.key without the closing checkpoint")
        if self.ahead: self.bad(n, n, "a checkpoint of more entries stands before it")
        if v["seq"] != n: self.bad(n, n, "seq")
        if v["prev"] != self.hash:
            if n == self.signed: self.bad(n, n, "prev")
            self.broken = n
        elif v["ts"] < self.ts: self.bad(n, n, "ts")
        elif (v["type"] == "log.open") != (n == 0): self.bad(n, n, "log.open")
        elif v["type"] in CONTROL:
            try: self.control(v["type"], v["data"])
            except ValueError as error: self.bad(n, n, f"{v['type']}: {error}")
        self.open, stack = [], [v["data"]]
        while stack:
            item = stack.pop()
            if isinstance(item, dict) and "$h" in item: self.open.append(item["$h"])
            elif isinstance(item, (dict, list)): stack.extend(item.values() if isinstance(item, dict) else item)
        self.ts, self.n, self.follows = v["ts"], n + 1, True
        peak = (1, leaf_hash(leaf))
        self.hash = peak[1].hex()
        while self.peaks and self.peaks[-1][0] == peak[0]:
            peak = (2 * peak[0], sha(b"\1" + self.peaks.pop()[1] + peak[1]))
        self.peaks.append(peak)

    def control(self, kind, data):
        for name, ok in CONTROL[kind].items():
            need(ok(data[name.strip("?")]) if name.strip("?") in data else name[0] == "?", name)
        if kind == "log.open":
            self.host, self.run = parse_vkey(data["host"]), data.get("run", "") if data["kind"] == "run" else ""
            need((data["kind"] == "run") == (data.get("run", "") != ""), "run")
            origin = self.host[0] + ("/" + self.run if data["kind"] == "run" else "")
            need(self.host[0].split("/")[-1] == sha(self.host[2])[:16].hex(), "the host's name")
            need(data["origin"] == origin == self.origin, "origin")
            self.key, self.epochs, self.kind = parse_vkey(data["key"], origin), 1, data["kind"]
        elif kind == "log.key":
            need(self.aborted is None and data["epoch"] == self.epochs, "epoch")
            self.next_key = parse_vkey(data["key"], self.origin)
        elif kind == "log.close": self.closed = True
        elif kind == "log.abort" and self.aborted is None: self.aborted = self.n
        if data.get("checkpoints", self.checkpoints) != self.checkpoints and kind in ("log.key", "log.close"):
            self.bad(self.epoch_start, self.n - 1, "checkpoints were removed or added")

    def disclosure(self, v):
        if self.broken is not None: return
        need(self.follows, "a disclosure that does not follow its entry")
        pair = json.dumps(v, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
        if sha(pair.encode()).hex() not in self.open: self.bad(self.n - 1, self.n - 1, "disclosure")
        self.open.remove(sha(pair.encode()).hex())

    def checkpoint(self, text, times, witnesses):
        self.follows = False
        if self.broken is not None or self.refuted is not None: return
        s, n = self.signed, self.n
        try: note = parse_checkpoint(text)
        except ValueError as error: self.bad(s, n - 1, f"checkpoint: {error}")
        if self.key is None: self.bad(0, 0, "a checkpoint before log.open")
        if note["origin"] != self.origin: self.bad(s, n - 1, "origin")
        size = note["size"]
        if s == 0 and size != 1 and size <= n: self.bad(0, 0, "the opening checkpoint is missing")
        aborted = self.aborted is not None and size > self.aborted
        by_epoch, by_host = signature(note, self.key), signature(note, self.host)
        host_must = size == 1 or aborted or self.kind == "ledger"
        good = by_epoch is not False and by_host is not False and (by_epoch or aborted) and (by_host or not host_must)
        if size > n:
            if not good and not self.ahead: self.bad(s, n - 1, "signature")
            self.ahead = max(self.ahead, size) if good else self.ahead
            return
        if not good: self.bad(s, n - 1, "signature")
        if size == s and note["root"] != self.signed_root: raise Verdict("FORKED", None, f"two roots of size {size}")
        if size <= s: self.bad(size - 1, size - 1, "sizes do not grow")
        if size < n: self.bad(s, size - 1, "a checkpoint out of place")
        if note["root"] != self.root():
            self.refuted = size
            return
        try: [parse_line(line) for line in witnesses], [unbase64(token) for token in times]
        except ValueError as error: self.bad(s, size - 1, f"attachment: {error}")
        self.signed, self.signed_root, self.checkpoints = size, note["root"], self.checkpoints + 1
        if self.next_key:
            self.key, self.next_key, self.epochs, self.epoch_start = self.next_key, None, self.epochs + 1, size

    def finish(self, trusted, run):
        self.blame()
        if self.host is None: raise Verdict("MALFORMED", None, "there is no entry")
        if run not in (None, self.run): raise Verdict("WRONG RUN", None, self.run)
        if self.ahead: raise Verdict("TRUNCATED", [self.n, self.ahead - 1], "a signed checkpoint covers more")
        if self.host not in trusted: raise Verdict("KEY UNKNOWN", None, self.host[0])
        if self.signed < self.n: raise Verdict("UNSIGNED TAIL", [self.signed, self.n - 1], "not signed")
        if self.aborted is not None: raise Verdict("INCOMPLETE", None, "recovered after a kill")
        if not self.closed: raise Verdict("INCOMPLETE", None, "no log.close")
        raise Verdict("INTACT", None, "")


def read(lines, trusted, run):  # sections 5 and 6.1
    log, comma, entries, checkpoints, tail = None, True, 0, 0, None
    try:
        for number, line in enumerate(lines):
            need(len(line) <= 2**20 and tail is None, f"line {number + 1}")
            line = line.rstrip(b"\n").decode()
            if number == 0:
                need(line.endswith('"records":['), "header")
                header = canonical(line + "]}")
                need(set(header) == {"format", "kind", "origin", "records"} and some(header["origin"]), "header")
                need(header["format"] == "agent-audit-bundle/1" and header["records"] == [], "header")
                if header["kind"] == "subset": sys.exit("a subset: not for this verifier")
                need(header["kind"] == "full", "header")
                log = Log(header["origin"])
            elif line.startswith("]"):
                need(line.startswith('],"tail":') and line.endswith("}") and (number == 1 or not comma), "tail")
                tail = canonical(line[9:-1])
                need(tail == {"checkpoints": checkpoints, "entries": entries}, "the tail counts otherwise")
            else:
                need(comma, f"line {number + 1} follows a line without comma")
                comma = line.endswith(",")
                line = line[:-1] if comma else line
                record = canonical(line)
                need(isinstance(record, dict), "record")
                if set(record) == {"e"}:
                    entries += 1
                    log.entry(line[5:-1], record["e"])
                elif "c" in record and set(record) <= {"c", "t", "w"} and text(record["c"]):
                    times, witnesses = (record.get(name) for name in "tw")
                    need(all(v is None or isinstance(v, list) and 0 < len(v) <= 64 and all(map(text, v))
                             for v in (times, witnesses)), f"line {number + 1}: t or w")
                    checkpoints += 1
                    log.checkpoint(record["c"], times or [], witnesses or [])
                elif set(record) == {"d"}:
                    pair = record["d"]
                    need(isinstance(pair, list) and len(pair) == 2 and matches("[A-Za-z0-9_-]{22}")(pair[0]), "d")
                    log.disclosure(pair)
                elif set(record) == {"ledger", "proof"}: sys.exit("ledger evidence: not for this verifier")
                else: need(False, f"line {number + 1} is no record")
        need(tail is not None, "the file ends without its tail")
    except (ValueError, RecursionError) as error:
        if log: log.blame()
        raise Verdict("MALFORMED", None, str(error))
    log.finish(trusted, run)


def trusted_keys(policy):  # the logs of a C2SP tlog-policy without witnesses
    for words in map(str.split, policy):
        if words[:1] == ["log"]: yield parse_vkey(words[1])
        elif words and words[0][0] != "#" and words != ["quorum", "none"]: sys.exit("witnesses: not for this verifier")


def verify(bundle, policy, run=None):
    with open(policy, encoding="utf-8") as file: trusted = list(trusted_keys(file))
    try:
        with open(bundle, "rb") as file: read(iter(lambda: file.readline(2**20 + 1), b""), trusted, run)
    except Verdict as conclusion: return dict(zip(("verdict", "first_bad", "why"), conclusion.args))


if __name__ == "__main__":
    report = verify(*sys.argv[1:])
    print(json.dumps(report))
    sys.exit(EXIT[report["verdict"]])
