"""Whether the code signature in a Mach-O file is that of its pages: macos_signature.py FILE

The linker signs without a name ("ad hoc"): a SHA-256 of each page. What changes the file afterwards, such as strip, has to
sign it anew, or the system kills the process that loads it.
"""

import hashlib
import struct
import sys

LC_CODE_SIGNATURE = 0x1D
CODE_DIRECTORY = 0xFADE0C02
SHA256 = 2


def signature(data):
    """The part of the file that is the signature."""
    magic, _, _, _, commands = struct.unpack_from("<5I", data)
    assert magic == 0xFEEDFACF, "not a 64-bit Mach-O file"
    at = 32
    for _ in range(commands):
        command, size = struct.unpack_from("<2I", data, at)
        if command == LC_CODE_SIGNATURE:
            begin, length = struct.unpack_from("<2I", data, at + 8)
            return data[begin : begin + length]
        at += size
    sys.exit("it is not signed")


def directory(blob):
    """The code directory: the list of hashes, with what they are of."""
    _, _, count = struct.unpack_from(">3I", blob)
    for index in range(count):
        (at,) = struct.unpack_from(">I", blob, 16 + 8 * index)
        if struct.unpack_from(">I", blob, at)[0] == CODE_DIRECTORY:
            return blob[at:]
    sys.exit("the signature has no code directory")


def check(data):
    code = directory(signature(data))
    hashes, _, _, pages, limit = struct.unpack_from(">5I", code, 16)
    size, kind, _, shift = struct.unpack_from(">4B", code, 36)
    assert kind == SHA256 and size == 32, f"hashes of kind {kind}"
    page = 1 << shift
    assert pages == -(-limit // page), f"{pages} hashes for {limit} bytes"
    for index in range(pages):
        begin = index * page
        found = hashlib.sha256(data[begin : min(begin + page, limit)]).digest()
        if found != code[hashes + size * index : hashes + size * (index + 1)]:
            sys.exit(f"page {index} of {pages} is not what was signed")
    return pages


if __name__ == "__main__":
    with open(sys.argv[1], "rb") as file:
        print(f"signature: {check(file.read())} pages")
