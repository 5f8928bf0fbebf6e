"""Signs and verifies mail with dkimpy, for dkimpy_test.cc.

usage: dkimpy.py sign DIRECTORY    each line of DIRECTORY/sign.txt is
                                   name algorithm header-canonicalization body-canonicalization l h-list
                                   DIRECTORY/name.in becomes DIRECTORY/name.eml
       dkimpy.py verify DIRECTORY  prints "name pass|fail" for each DIRECTORY/*.eml

DIRECTORY/rsa.key and ed25519.key are the private keys, rsa.txt and ed25519.txt the key records.
"""
import os
import sys

import dkim


def read(*path):
    with open(os.path.join(*path), "rb") as file:
        return file.read()


def sign(directory):
    keys = {name: read(directory, name + ".key") for name in ("rsa", "ed25519")}
    for line in read(directory, "sign.txt").decode().splitlines():
        name, algorithm, header, body, length, fields = line.split(" ")
        mail = read(directory, name + ".in")
        signature = dkim.sign(
            mail, algorithm.encode(), b"example.com", keys[algorithm],
            canonicalize=(header.encode(), body.encode()),
            signature_algorithm=algorithm.encode() + b"-sha256",
            include_headers=[field.encode() for field in fields.split(":")],
            length=length == "l")
        with open(os.path.join(directory, name + ".eml"), "wb") as file:
            file.write(signature + mail)


def verify(directory):
    records = {name: read(directory, name + ".txt") for name in ("rsa", "ed25519")}

    def lookup(name, timeout=5):
        text = name.decode() if isinstance(name, bytes) else name
        for key, record in records.items():
            if text.rstrip(".").lower() == key + "._domainkey.example.com":
                return record
        return None

    for file in sorted(os.listdir(directory)):
        if not file.endswith(".eml"):
            continue
        try:
            passed = dkim.DKIM(read(directory, file)).verify(dnsfunc=lookup)
        except Exception:  # dkimpy raises many kinds for what it cannot read
            passed = False
        print(file[:-4], "pass" if passed else "fail")


if __name__ == "__main__":
    {"sign": sign, "verify": verify}[sys.argv[1]](sys.argv[2])
