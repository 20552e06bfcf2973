#!/usr/bin/env python3
"""Reads a segment file of Taffrail: a second reader, written from docs/formats/segment.md alone.

    read_segment.py FILE          JSON lines: one about the segment, then one per event in arrival order:
                                  [raw, time, received, origin number, problem bits]; in raw, each byte is the
                                  character of its number (Latin-1)
    read_segment.py --raw FILE    the events' bytes, each after its length as eight bytes, little-endian
    read_segment.py --check       says which zstd is in use; ends with 77 when there is none

Python's standard library and zstd (Python 3.14's, the package zstandard or pyzstd, or the program zstd).
Everything that a reader must check is checked: whatever is wrong ends it with a message and the code 1.
"""

import datetime
import json
import struct
import sys

MAGIC = b"TAFSEG\x00"
VERSIONS = (1, 2, 3, 4)
TRAILER = struct.Struct("<QIII8s")
BYTES_MAX = 1 << 30
DEPTH_MAX = 8


class Damaged(Exception):
    """The bytes are not a segment as the document has it."""


def find_zstd():
    """A function from stored bytes and the length to bytes, and where it is from; None when there is none."""
    try:
        from compression import zstd

        return lambda data, length: zstd.decompress(data), "compression.zstd"
    except ImportError:
        pass
    try:
        import zstandard

        return lambda data, length: zstandard.ZstdDecompressor().decompress(data, max_output_size=length), "zstandard"
    except ImportError:
        pass
    try:
        import pyzstd

        return lambda data, length: pyzstd.decompress(data), "pyzstd"
    except ImportError:
        pass
    import shutil
    import subprocess

    if shutil.which("zstd") is None:
        return None, None

    def run(data, length):
        done = subprocess.run(["zstd", "-dcq"], input=data, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
        if done.returncode != 0:
            raise Damaged("zstd: " + done.stderr.decode(errors="replace").strip())
        return done.stdout

    return run, "the program zstd"


decompress, zstd_source = find_zstd()


def crc_table():
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


CRC_TABLE = crc_table()


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = CRC_TABLE[(crc ^ byte) & 0xFF] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


def unpack(stored, length, crc, compressed, what):
    """Checks and decompresses stored bytes."""
    if crc32c(stored) != crc:
        raise Damaged(f"{what}: the checksum does not match")
    data = decompress(stored, length) if compressed else stored
    if len(data) != length:
        raise Damaged(f"{what}: {len(data)} bytes where {length} should be")
    return data


def signed64(value):
    """Reduces modulo 2^64 to the signed integer."""
    value &= (1 << 64) - 1
    return value - (1 << 64) if value >> 63 else value


class Cursor:
    """Takes values off bytes, from the front."""

    def __init__(self, data, what):
        self.data, self.at, self.what = data, 0, what

    def take(self, count):
        if count > len(self.data) - self.at:
            raise Damaged(f"{self.what} ends early at byte {self.at}")
        self.at += count
        return self.data[self.at - count : self.at]

    def byte(self):
        return self.take(1)[0]

    def varint(self):
        value = 0
        for shift in range(0, 64, 7):
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
        raise Damaged(f"{self.what}: a number is too long")

    def signed(self):
        value = self.varint()
        return value >> 1 ^ -(value & 1)

    def bytes(self):
        return self.take(self.varint())

    def text(self):
        return self.bytes().decode("utf-8")

    def place(self):
        return self.varint(), self.varint(), self.varint()

    def optional_place(self):
        return self.place() if self.byte() else None

    def many(self, one):
        count = self.varint()
        if count > len(self.data) - self.at:
            raise Damaged(f"{self.what}: {count} entries cannot be")
        return [one() for _ in range(count)]

    def end(self):
        if self.at != len(self.data):
            raise Damaged(f"{self.what}: {len(self.data) - self.at} bytes too many")


# ---- footer ----------------------------------------------------------------------------------------------------


class Footer:
    """The directory of a segment."""

    def __init__(self, data, version):
        self.version = version
        cursor = Cursor(data, "the footer")
        self.cursor = cursor
        self.blocks = cursor.many(self.block)
        self.classes = cursor.many(cursor.text)
        if version >= 4:
            rests = cursor.many(lambda: [cursor.text() for _ in range(4)])
            self.origins = [[host, *self.rest(rests, number)] for number, host in cursor.many(lambda: (cursor.varint(), cursor.text()))]
        else:
            self.origins = cursor.many(lambda: [cursor.text() for _ in range(5)])
        self.time, self.received, self.origin, self.problems = (cursor.place() for _ in range(4))
        self.zones = (cursor.place(), cursor.place()) if version >= 2 and cursor.byte() else None
        self.hosts = cursor.many(cursor.varint) if version >= 3 else []
        self.dictionaries = cursor.many(lambda: self.page(0)) if version >= 2 else []
        self.events = self.node(0)
        # Where arrival numbers follow each other, nothing is said of them.
        self.sequence = cursor.place() if version >= 2 and cursor.at < len(cursor.data) and cursor.byte() else None
        cursor.end()

    def block(self):
        cursor = self.cursor
        offset, stored, length = cursor.varint(), cursor.varint(), cursor.varint()
        (crc,) = struct.unpack("<I", cursor.take(4))
        if length > BYTES_MAX:
            raise Damaged(f"a block of {length} bytes")
        return {"offset": offset, "stored": stored, "length": length, "crc": crc, "compressed": cursor.byte() != 0}

    @staticmethod
    def rest(rests, number):
        """What an origin is but for its host."""
        if number >= len(rests):
            raise Damaged("an origin of which only the host is there")
        return rests[number]

    def node(self, depth):
        if depth > DEPTH_MAX:
            raise Damaged("nodes are nested too deep")
        cursor = self.cursor
        rows, order = cursor.varint(), cursor.optional_place()
        shared = cursor.many(lambda: cursor.many(lambda: self.page(depth))) if self.version >= 2 else []
        taken = [0] * len(shared)
        patterns = cursor.many(lambda: self.pattern(depth, shared, taken))
        for pages, count in zip(shared, taken):
            if rows_of(pages) != count:
                raise Damaged("a shared column of another length than the patterns that share it")
        if sum(pattern["rows"] for pattern in patterns) != rows:
            raise Damaged("the rows of the patterns are not those of their node")
        return {"rows": rows, "order": order, "shared": shared, "patterns": patterns}

    def pattern(self, depth, shared, taken):
        cursor = self.cursor
        cursor.varint()  # its class
        pieces = pieces_of(cursor.bytes())
        rows = cursor.varint()
        slots = sum(1 for piece in pieces if isinstance(piece, int))
        columns = []
        for _ in range(slots):
            number = cursor.varint() if self.version >= 2 else 0
            if number > len(shared):
                raise Damaged("a shared column that is not there")
            if number:
                # Its rows in the column follow those of the patterns before it.
                columns.append({"shared": number - 1, "first": taken[number - 1]})
                taken[number - 1] += rows
                continue
            pages = cursor.many(lambda: self.page(depth))
            if rows_of(pages) != rows:
                raise Damaged("the rows of a column's pages are not those of its pattern")
            columns.append({"shared": None, "pages": pages})
        return {"pieces": pieces, "rows": rows, "columns": columns}

    def page(self, depth):
        cursor = self.cursor
        rows = cursor.varint()
        cursor.varint(), cursor.varint()  # mask, longest value
        if self.version >= 2 and cursor.byte():
            cursor.signed(), cursor.varint()  # range of the numbers
        if cursor.byte() != 0:
            cursor.place()  # filter
        return {"rows": rows, "body": self.body(depth + 1)}

    def body(self, depth):
        if depth > DEPTH_MAX:
            raise Damaged("bodies are nested too deep")
        cursor = self.cursor
        code = cursor.byte()
        if code == 0:
            return constant, (cursor.bytes(),)
        if code == 1:
            return integer, (cursor.byte(), cursor.place())
        if code == 2:
            return decimal, (cursor.byte(), cursor.place())
        if code == 3:
            return ipv4, (cursor.place(),)
        if code == 4:
            return hexadecimal, (cursor.byte() != 0, cursor.varint(), cursor.place())
        if code == 5:
            return time, (cursor.byte() != 0, cursor.take(6), cursor.place())
        if code == 6:
            return dictionary, (cursor.varint(), cursor.place(), cursor.place(), cursor.place())
        if code == 7:
            return plain, (cursor.place(), cursor.place())
        if code == 8:
            return affix, (cursor.bytes(), cursor.bytes(), self.body(depth + 1))
        if code == 9:
            return nested, (self.node(depth + 1),)
        if code == 10 and self.version >= 2:
            return uuid, (cursor.byte() != 0, cursor.place())
        if code == 11 and self.version >= 2:
            return from_dictionary, (cursor.varint(), cursor.place())
        if code == 12 and self.version >= 2:
            return lines, (cursor.varint(), cursor.place(), cursor.optional_place(), self.node(depth + 1))
        raise Damaged(f"encoding {code} is unknown")


def rows_of(pages):
    """The rows of a column's pages together."""
    return sum(page["rows"] for page in pages)


def pieces_of(key):
    """A pattern's pieces: text as bytes, slots as the number of their kind."""
    pieces, text, at = [], bytearray(), 0
    while at < len(key):
        if key[at] != 1:
            text.append(key[at])
            at += 1
            continue
        if at + 1 == len(key) or key[at + 1] > 4:
            raise Damaged("the key of a pattern is wrong")
        if key[at + 1] == 0:
            text.append(1)
        else:
            pieces += [bytes(text), key[at + 1]]
            text.clear()
        at += 2
    return pieces + [bytes(text)]


# ---- bodies: each gives the list of a page's values --------------------------------------------------------------


def constant(segment, rows, times, value):
    return [value] * rows


def integer(segment, rows, times, width, place):
    sign = lambda number: b"-" if number < 0 else b""
    return [sign(number) + b"%0*d" % (width, abs(number)) for number in segment.integers(place, rows)]


def decimal(segment, rows, times, scale, place):
    unit = 10**scale
    return [b"%d.%0*d" % (number // unit, scale, number % unit) for number in segment.integers(place, rows)]


def ipv4(segment, rows, times, place):
    return [b"%d.%d.%d.%d" % tuple(struct.pack(">I", number)) for number in segment.integers(place, rows)]


def hexadecimal(segment, rows, times, upper, digits, place):
    data = segment.bytes(place)
    if len(data) * 2 != rows * digits:
        raise Damaged("hexadecimal digits of another number")
    text = data.hex().upper() if upper else data.hex()
    return [text[row * digits : (row + 1) * digits].encode() for row in range(rows)]


def uuid(segment, rows, times, upper, place):
    values = hexadecimal(segment, rows, times, upper, 32, place)
    return [b"-".join((v[:8], v[8:12], v[12:16], v[16:20], v[20:])) for v in values]


MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()


def spell_time(nanos, layout):
    family, digits, point, zone, offset = struct.unpack("<BBBBh", layout)
    seconds, fraction = divmod(nanos, 10**9)
    days, second = divmod(seconds, 86_400)
    clock = f"{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}"
    date = datetime.date(1970, 1, 1) + datetime.timedelta(days=days)
    year, month, day = date.year, date.month, date.day
    if family == 0:
        text = f"{year:04}-{month:02}-{day:02}T{clock}"
    elif family == 1:
        text = f"{year:04}-{month:02}-{day:02} {clock}"
    elif family == 2:
        text = f"{MONTHS[month - 1]} {day:2} {clock}"
    elif family == 3:
        text = f"{day:02}/{MONTHS[month - 1]}/{year:04}:{clock}"
    elif family == 4:
        text = f"{year:04}/{month:02}/{day:02} {clock}"
    elif family == 5:
        text = clock
    elif family == 6:
        text = f"{seconds:010}"
    else:
        raise Damaged(f"times of family {family} are unknown")
    if digits:
        text += (chr(point) if point else "") + f"{fraction:09}"[:digits]
    sign, minutes = "-" if offset < 0 else "+", abs(offset)
    if zone == 1:
        text += "Z"
    elif zone == 2:
        text += f"{sign}{minutes // 60:02}:{minutes % 60:02}"
    elif zone == 3:
        text += f"{sign}{minutes // 60:02}{minutes % 60:02}"
    elif zone == 4:
        text += f" {sign}{minutes // 60:02}{minutes % 60:02}"
    elif zone != 0:
        raise Damaged(f"zones of kind {zone} are unknown")
    return text.encode()


def time(segment, rows, times, relative, layout, place):
    numbers = segment.integers(place, rows)
    if relative:
        numbers = [signed64(number + base) for number, base in zip(numbers, times)]
    return [spell_time(number, layout) for number in numbers]


def split(data, lengths):
    values, at = [], 0
    for length in lengths:
        if length < 0:
            raise Damaged("a length below zero")
        values.append(data[at : at + length])
        at += length
    if at != len(data):
        raise Damaged(f"lengths add up to {at}, not to {len(data)}")
    return values


def dictionary(segment, rows, times, count, lengths, data, numbers):
    entries = split(segment.bytes(data), segment.integers(lengths, count))
    return choose(entries, segment.integers(numbers, rows))


def from_dictionary(segment, rows, times, dictionary, numbers):
    return choose(segment.dictionary(dictionary), segment.integers(numbers, rows))


def choose(entries, numbers):
    if any(not 0 <= number < len(entries) for number in numbers):
        raise Damaged("a number beyond the dictionary")
    return [entries[number] for number in numbers]


def plain(segment, rows, times, lengths, data):
    return split(segment.bytes(data), segment.integers(lengths, rows))


def affix(segment, rows, times, prefix, suffix, inner):
    kind, details = inner
    return [prefix + value + suffix for value in kind(segment, rows, times, *details)]


def nested(segment, rows, times, node):
    if node["rows"] != rows:
        raise Damaged("a nested node of another size than its page")
    return segment.node(node, None)


def lines(segment, rows, times, count, counts, numbers, node):
    if count > 1 << 24 or rows > count:
        raise Damaged("lines that do not fit their page")
    known = segment.node(node, None)
    counts = segment.integers(counts, rows)
    numbers = segment.integers(numbers, count) if numbers else range(count)
    if sum(counts) != count or min(counts, default=1) < 1 or (count and not 0 <= min(numbers) <= max(numbers) < len(known)):
        raise Damaged("lines that do not fit their page")
    values, at = [], 0
    for value in counts:
        values.append(b"\n".join(known[number] for number in numbers[at : at + value]))
        at += value
    return values


# ---- the whole -----------------------------------------------------------------------------------------------


class Segment:
    """A segment in memory."""

    def __init__(self, data):
        if len(data) < len(MAGIC) + 1 + TRAILER.size:
            raise Damaged(f"{len(data)} bytes are too few for a segment")
        offset, stored, length, crc, magic = TRAILER.unpack(data[-TRAILER.size :])
        if data[:8] != magic or magic[:7] != MAGIC or magic[7] not in VERSIONS:
            raise Damaged("this is no segment of a version that this reader knows")
        if offset + stored + TRAILER.size != len(data) or length > BYTES_MAX:
            raise Damaged("the footer's place is wrong")
        self.data, self.unpacked, self.entries = data, {}, {}
        self.footer = Footer(unpack(data[offset : offset + stored], length, crc, True, "the footer"), magic[7])

    def block(self, number):
        """The uncompressed bytes of a block."""
        if number not in self.unpacked:
            if number >= len(self.footer.blocks):
                raise Damaged(f"there is no block {number}")
            meta = self.footer.blocks[number]
            stored = self.data[meta["offset"] : meta["offset"] + meta["stored"]]
            if len(stored) != meta["stored"]:
                raise Damaged(f"block {number} lies outside of the file")
            self.unpacked[number] = unpack(stored, meta["length"], meta["crc"], meta["compressed"], f"block {number}")
        return self.unpacked[number]

    def bytes(self, place):
        """The bytes of a place."""
        block, offset, length = place
        data = self.block(block)
        if offset + length > len(data):
            raise Damaged("a page lies outside of its block")
        return data[offset : offset + length]

    def integers(self, place, count):
        """The integers of a place."""
        cursor = Cursor(self.bytes(place), "integers")
        values = integers(cursor, count)
        cursor.end()
        return values

    def node(self, node, times, told=None):
        """The values of a node in their order; `times` are the event times of its rows. Where `told` is given, it gets
        the host of each row of patterns that have a slot for it."""
        rows, patterns = node["rows"], node["patterns"]
        order = [0] * rows if node["order"] is None else self.integers(node["order"], rows)
        mine_of = [[] for _ in patterns]
        for row, number in enumerate(order):
            if not 0 <= number < len(patterns):
                raise Damaged("a row of a pattern that is not there")
            mine_of[number].append(row)
        if any(len(mine) != pattern["rows"] for pattern, mine in zip(patterns, mine_of)):
            raise Damaged("the order does not fit the rows of the patterns")
        shared = [self.shared(number, pages, node, mine_of, times) for number, pages in enumerate(node["shared"])]
        values = [b""] * rows
        slots_of_hosts = self.footer.hosts if told is not None and self.footer.hosts else [0] * len(patterns)
        if len(slots_of_hosts) != len(patterns):
            raise Damaged("slots of hosts that do not fit the patterns")
        for pattern, mine, host in zip(patterns, mine_of, slots_of_hosts):
            columns = []
            for column in pattern["columns"]:
                if column["shared"] is None:
                    columns.append(self.column(column["pages"], mine, times))
                else:
                    columns.append(shared[column["shared"]][column["first"] : column["first"] + len(mine)])
            for at, row in enumerate(mine):
                if host:
                    told[row] = columns[host - 1][at]
                slots = iter(columns)
                values[row] = b"".join(next(slots)[at] if isinstance(piece, int) else piece for piece in pattern["pieces"])
        return values

    def shared(self, number, pages, node, mine_of, times):
        """The values of a column that several patterns share."""
        rows = []
        for pattern, mine in zip(node["patterns"], mine_of):
            for column in pattern["columns"]:
                rows += mine if column["shared"] == number else []
        return self.column(pages, rows, times)

    def column(self, pages, rows, times):
        """The values of a column that belong to these rows, of which times are `times`."""
        values = []
        for page in pages:
            kind, details = page["body"]
            mine = rows[len(values) : len(values) + page["rows"]]
            values += kind(self, page["rows"], None if times is None else [times[row] for row in mine], *details)
        return values

    def dictionary(self, number):
        """The entries of one of the segment's dictionaries."""
        if number >= len(self.footer.dictionaries):
            raise Damaged(f"there is no dictionary {number}")
        if number not in self.entries:
            page = self.footer.dictionaries[number]
            kind, details = page["body"]
            if kind in (nested, from_dictionary):
                raise Damaged("a dictionary that refers elsewhere")
            self.entries[number] = kind(self, page["rows"], None, *details)
        return self.entries[number]

    def events(self):
        """Raw bytes, event time, receive time, origin number and problems of every event, in arrival order."""
        footer, rows = self.footer, self.footer.events["rows"]
        for number in range(len(footer.blocks)):
            self.block(number)  # the filters too: nothing damaged goes unnoticed
        places = (footer.time, footer.received, footer.origin, footer.problems)
        times, received, origins, problems = (self.integers(place, rows) for place in places)
        if any(not 0 <= number < len(footer.origins) for number in origins):
            raise Damaged("an event of an origin that is not there")
        told = {}
        raw = self.node(footer.events, times, told)
        numbers = {}
        for number, (host, *rest) in enumerate(footer.origins):
            numbers.setdefault((host.encode(), tuple(rest)), number)
        for row, host in told.items():
            key = (host, tuple(footer.origins[origins[row]][1:]))
            if key not in numbers:
                raise Damaged("an event of an origin that is not there")
            origins[row] = numbers[key]
        return zip(raw, times, received, origins, problems)


def integers(cursor, count):
    mode = cursor.byte()
    if mode == 0:
        return [cursor.signed()] * count
    if mode == 1:
        return offsets(cursor, count)
    if mode == 2:
        value = cursor.signed()
        values = [value]
        for step in offsets(cursor, max(count - 1, 0)):
            value = signed64(value + step)
            values.append(value)
        return values
    raise Damaged(f"integers of kind {mode} are unknown")


def offsets(cursor, count):
    base, unit, width = cursor.signed(), cursor.varint(), cursor.byte()
    if width > 8:
        raise Damaged(f"integers of {width} bytes")
    found = [0] * count
    for plane in range(width):
        for at, byte in enumerate(cursor.take(count)):
            found[at] |= byte << 8 * plane
    return [signed64(base + unit * offset) for offset in found]


def main():
    arguments = [argument for argument in sys.argv[1:] if not argument.startswith("--")]
    if "--check" in sys.argv:
        print(zstd_source or "there is no zstd")
        sys.exit(0 if zstd_source else 77)
    if len(arguments) != 1:
        sys.exit(__doc__)
    with open(arguments[0], "rb") as file:
        data = file.read()
    try:
        segment = Segment(data)
        events = segment.events()
        if "--raw" in sys.argv:
            for event in events:
                sys.stdout.buffer.write(struct.pack("<Q", len(event[0])) + event[0])
            return
        head = {"version": segment.footer.version, "events": segment.footer.events["rows"], "origins": segment.footer.origins}
        print(json.dumps(head))
        for raw, *streams in events:
            print(json.dumps([raw.decode("latin-1"), *streams]))
    except (Damaged, UnicodeDecodeError, OverflowError, struct.error) as error:
        sys.exit(f"{arguments[0]}: {error}")


if __name__ == "__main__":
    main()
