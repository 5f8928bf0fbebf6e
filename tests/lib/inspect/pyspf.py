"""Evaluates SPF cases with pyspf (Debian's python3-spf), for pyspf_test.cc.

usage: pyspf.py FILE    each line of FILE is a case in JSON: ip, sender, helo, receiver, ours
                        (result and explanation of our own evaluator) and
                        zone: name -> {"TXT": [[string, ...], ...], "A": [...], "AAAA": [...],
                        "MX": [[preference, name], ...], "PTR": [...], "CNAME": name,
                        "FAIL": [type, ...]}; octets of strings are the code points 0 to 255.

Prints a line of JSON for each: what pyspf says, as result, explanation (of a fail) and message; and
where that is not what we say, `repairs`: the fewest changes to pyspf, of those below, with which it
says the same. Null if there are none. What each of them is for, and who is right, stands in
pyspf_test.cc.
"""
import json
import re
import sys

import spf

MAX_ALIASES = 8  # as our resolvers, see lib/dns/alias.h

# RFC 7208 section 7.1; in an explanation there are blanks, too.
MACRO_EXPAND = r"%[%_-]|%\{[slodiphvcrt](?:0*[1-9][0-9]*)?r?[-.+,/_=]*\}"
MACRO_STRING = re.compile("(?:[\x21-\x24\x26-\x7e]|" + MACRO_EXPAND + ")*", re.IGNORECASE)
EXPLANATION = re.compile("(?:[\x20-\x24\x26-\x7e]|" + MACRO_EXPAND + ")*", re.IGNORECASE)
PIECE = re.compile("%[%_-]|%{[^}]*}|[^%]{1,100}|%")
MODIFIER = re.compile(r"([a-z][a-z0-9_.-]*)=(.*)", re.IGNORECASE | re.DOTALL)
IMPLIES_DOMAIN = re.compile("[-+?~]?(?:a|mx|ptr)(?:/[^:]*)?$", re.IGNORECASE)
USES_P = re.compile(r"%\{p", re.IGNORECASE)
NEVER = re.compile(r"(?!)")
PROBES = {"in-addr": "ip4:0.0.0.9/0", "ip6": "ip6:0:0:0:0:0:0:0:9/0"}

STOCK_INVALID_MACRO = spf.RE_INVALID_MACRO
STOCK_EXPAND_ONE = spf.expand_one
STOCK_DOMAINMATCH = spf.domainmatch

REPAIRS = (
    "domain-in-lower-case", "explanation-length", "implied-domain", "include-of-itself",
    "last-at-sign", "macro-syntax", "modifier-names", "mx-in-order", "postmaster", "ptr-errors", "ptr-voids",
    "redirect-when-followed", "rejoin-with-dots", "name-length", "single-label",
    "trailing-dot", "transformer-in-upper-case", "unknown-modifiers", "validated-name",
)


class Dns:
    """Answers as a resolver does: aliases followed, a chain without an end is SERVFAIL."""

    def __init__(self, zone):
        self.zone = zone

    def lookup(self, name, qtype, strict=True, timeout=20):
        del strict, timeout
        current = name.lower().rstrip(".")
        for _ in range(MAX_ALIASES + 1):
            node = self.zone.get(current, {})
            if qtype in node.get("FAIL", ()):
                raise spf.TempError("DNS SERVFAIL")
            if node.get(qtype):
                return [((name, qtype), self.value(qtype, data)) for data in node[qtype]]
            if "CNAME" not in node:
                return []
            current = node["CNAME"]
        raise spf.TempError("DNS SERVFAIL: alias chain")

    @staticmethod
    def value(qtype, data):
        if qtype == "TXT":
            return [string.encode("latin-1") for string in data]
        return tuple(data) if qtype == "MX" else data


class LaterName(str):
    """A domain-spec with %{p} that is expanded when its term is evaluated."""


class Query(spf.query):
    """pyspf's query. Without repairs it is what it is."""

    def __init__(self, case, repairs):
        super().__init__(i=case["ip"], s=case["sender"], h=case["helo"],
                         receiver=case["receiver"], strict=True, querytime=0)
        self.repairs = repairs
        self.validating = False
        self.naming = False    # validating for %{p}, not for ptr
        self.parsing = False
        self.ptr_void = False  # counted
        self.fell_through = False
        if "last-at-sign" in repairs and "@" in self.s:
            self.l, _, self.o = self.s.rpartition("@")
            self.l = self.l or "postmaster"
            self.d = self.o
        if "postmaster" in repairs and not self.s.rpartition("@")[0]:
            self.s = self.l + "@" + self.o
        if "trailing-dot" in repairs and self.d.endswith("."):
            self.d = self.d[:-1]
        if "domain-in-lower-case" in repairs:
            self.d = self.d.lower()

    # Macros.

    def expand(self, s, stripdot=True):
        if "macro-syntax" in self.repairs:
            grammar = MACRO_STRING if stripdot else EXPLANATION
            if not grammar.fullmatch(s):
                raise spf.PermError("no macro-string", s)
        if not stripdot and "explanation-length" in self.repairs:
            return "".join(super(Query, self).expand(piece, False) for piece in PIECE.findall(s))
        name = super().expand(s, stripdot)
        while stripdot and "name-length" in self.repairs and len(name) > 253 and "." in name:
            name = name[name.index(".") + 1:]
        return name

    def getp(self):
        if self.parsing:
            self.p = "p.invalid"
            return self.p
        self.naming = True
        try:
            if "validated-name" not in self.repairs:
                return super().getp()
            names = [name.lower() for name in self.validated_ptrs()]
            domain = self.d.lower()
            below = [name for name in names if name.endswith("." + domain)]
            self.p = (domain if domain in names else (below or names or ["unknown"])[0])
            return self.p
        finally:
            self.naming = False

    def validate_mechanism(self, mech):
        later = "validated-name" in self.repairs and USES_P.search(mech)
        implied = "implied-domain" in self.repairs and IMPLIES_DOMAIN.match(mech)
        self.parsing = bool(later)
        domain = self.d
        try:
            if implied:
                self.d = "implied.invalid"
            answer = super().validate_mechanism(mech)
            if implied:
                answer = answer[:2] + (domain,) + answer[3:]
        except spf.PermError as error:
            if "include-of-itself" not in self.repairs or "trivial recursion" not in error.msg:
                raise
            answer = (mech, "include", self.d, self.cidrmax, spf.RESULTS.get(mech[0], "pass"))
        finally:
            self.parsing = False
            self.d = domain
        if not later:
            return answer
        name = LaterName(answer[2])
        name.spec = spf.parse_mechanism(mech, self.d)[1]
        return answer[:2] + (name,) + answer[3:]

    def now(self, name):
        if not isinstance(name, LaterName):
            return name
        if not hasattr(name, "expanded"):
            self.check_lookups()  # of the PTR record
            name.expanded = self.expand(name.spec)
        return name.expanded

    # The DNS.

    def dns(self, name, qtype, cnames=None, ignore_void=False):
        ignore_void = ignore_void or (self.validating and "ptr-voids" in self.repairs)
        return super().dns(name, qtype, cnames, ignore_void)

    def dns_spf(self, domain):
        domain = self.now(domain)
        if "single-label" in self.repairs and "." not in domain:
            return None
        return super().dns_spf(domain)

    def dns_a(self, domainname, A="A"):
        try:
            return super().dns_a(self.now(domainname), A)
        except spf.TempError:
            if self.validating and "ptr-errors" in self.repairs:
                return []
            raise

    def dns_ptr(self, i):
        try:
            names = super().dns_ptr(i)
        except spf.TempError:
            if "ptr-errors" in self.repairs:
                return []
            raise
        if "ptr-voids" in self.repairs and not names and not self.naming and not self.ptr_void:
            self.ptr_void = True
            self.void_lookups += 1
            if self.void_lookups > spf.MAX_VOID_LOOKUPS:
                raise spf.PermError("Void lookup limit exceeded")
        return names

    def validated_ptrs(self):
        self.validating = True
        try:
            return super().validated_ptrs()
        finally:
            self.validating = False

    def dns_mx(self, domainname):
        domainname = self.now(domainname)
        if "mx-in-order" not in self.repairs:
            return super().dns_mx(domainname)
        exchanges = sorted(self.dns(domainname, "MX"))
        if len(exchanges) > spf.MAX_MX:
            raise spf.PermError("More than %d MX records returned" % spf.MAX_MX)
        return (address for _, name in exchanges for address in self.dns_a(name, self.A))

    def cidrmatch(self, ipaddrs, n):
        if ipaddrs in (["0.0.0.9"], ["0:0:0:0:0:0:0:9"]):
            self.fell_through = True
            return True
        if isinstance(ipaddrs, list):
            return super().cidrmatch(ipaddrs, n)
        return any(super(Query, self).cidrmatch([address], n) for address in ipaddrs)

    # Records.

    def check1(self, record, domain, recursion):
        domain = self.now(domain)
        if "domain-in-lower-case" in self.repairs:
            domain = domain.lower()
        return super().check1(record, domain, recursion)

    def check0(self, record, recursion):
        if not record or record.split(" ")[0].lower() != "v=spf1":
            return super().check0(record, recursion)
        terms = [term for term in record.split(" ")[1:] if term]
        if "macro-syntax" in self.repairs and not re.fullmatch("[\x21-\x7e]*", "".join(terms)):
            raise spf.PermError("no printable character", record)
        kept = []
        redirects = []
        for term in terms:
            modifier = MODIFIER.fullmatch(term)
            if modifier:
                name = modifier[1]
                known = name.lower() in ("redirect", "exp")
                if known and "modifier-names" in self.repairs:
                    term = name.lower() + "=" + modifier[2]
                if not known and "unknown-modifiers" in self.repairs:
                    if "macro-syntax" in self.repairs and not MACRO_STRING.fullmatch(modifier[2]):
                        raise spf.PermError("no macro-string", term)
                    continue
                if term.startswith("redirect="):
                    redirects.append(term)
                    if "redirect-when-followed" in self.repairs:
                        continue
            kept.append(term)
        if "redirect-when-followed" not in self.repairs or not redirects:
            return super().check0(" ".join(["v=spf1"] + kept), recursion)
        return self.check0_then_redirect(kept, redirects, recursion)

    def check0_then_redirect(self, kept, redirects, recursion):
        if len(redirects) > 1:
            raise spf.PermError("redirect= MUST appear at most once")
        target = redirects[0].partition("=")[2]
        self.parsing = True
        try:
            if not target or not self.expand_domain(target):
                raise spf.PermError("redirect has empty domain:", target)
        finally:
            self.parsing = False
        # A last term matches whatever comes so far, and says so.
        if not any(term.lower().lstrip("+-~?") == "all" for term in kept):
            kept = kept + ["?" + PROBES[self.v]]
        self.fell_through = False
        answer = super().check0(" ".join(["v=spf1"] + kept), recursion)
        fell_through = self.fell_through
        self.fell_through = False
        if not fell_through:
            return answer
        self.check_lookups()
        if "validated-name" in self.repairs and USES_P.search(target):
            self.check_lookups()
        name = self.expand(target)
        record = self.dns_spf(name)
        if not record:
            raise spf.PermError("redirect domain has no SPF record", name)
        if not recursion:
            self.exps = dict(self.defexps)
        return self.check1(record, name, recursion)


def evaluate(case, repairs):
    def expand_one(expansion, text, joiner):
        if "transformer-in-upper-case" in repairs:
            text = text.replace("R", "r")
        return STOCK_EXPAND_ONE(expansion, text, "." if "rejoin-with-dots" in repairs else joiner)

    spf.DNSLookup = Dns(case["zone"]).lookup
    spf.expand_one = expand_one
    spf.RE_INVALID_MACRO = NEVER if "macro-syntax" in repairs else STOCK_INVALID_MACRO
    answer = {"result": "", "message": "", "explanation": ""}
    try:
        query = Query(case, repairs)
        spf.domainmatch = lambda names, suffix: STOCK_DOMAINMATCH(names, query.now(suffix))
        query.set_default_explanation("")
        answer["result"], _, text = query.check()
        if answer["result"] in ("permerror", "temperror"):
            answer["message"] = text
        elif answer["result"] == "fail":
            answer["explanation"] = text
    except Exception as error:  # what it should not raise is a result of its own
        answer["result"] = "raises"
        answer["message"] = "%s: %s" % (type(error).__name__, error)
    return answer


def agree(case, answer):
    return all(answer[part] == case["ours"][part] for part in ("result", "explanation"))


def fewest_repairs(case):
    needed = set(REPAIRS)
    if not agree(case, evaluate(case, needed)):
        return None
    for repair in REPAIRS:
        if agree(case, evaluate(case, needed - {repair})):
            needed.remove(repair)
    return sorted(needed)


def main():
    with open(sys.argv[1], encoding="ascii") as file:
        for line in file:
            case = json.loads(line)
            answer = evaluate(case, set())
            if not agree(case, answer):
                answer["repairs"] = fewest_repairs(case)
                if answer["repairs"] is None:
                    answer["repaired"] = evaluate(case, set(REPAIRS))
            print(json.dumps(answer))


if __name__ == "__main__":
    main()
