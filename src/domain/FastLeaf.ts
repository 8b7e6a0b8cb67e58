/**
 * A sound and incomplete recognizer of leaves in bytes: what it accepts, `Entry.decode` accepts, with the same members.
 * It reads each byte once and makes no string and no object. For everything that is rare or costly to decide it
 * answers "don't know" (-1), and the caller asks `Entry.decode`.
 *
 * It doesn't know: names that begin with `$` (committed and reserved values), integers of more than 15 digits, types of
 * `log.*` and `run.*`, nesting beyond `maxDepth`, the last days of a month; and everything that is wrong.
 *
 * @module
 */
import * as Entry from "./Entry.ts"

/** Deepest nesting of `data` that is read here. */
const maxDepth = 8

const quote = 0x22
const comma = 0x2c
const minus = 0x2d
const zero = 0x30
const nine = 0x39
const colon = 0x3a
const openBracket = 0x5b
const backslash = 0x5c
const closeBracket = 0x5d
const openBrace = 0x7b
const closeBrace = 0x7d

const tableOf = (accepts: (byte: number) => boolean): Uint8Array =>
  Uint8Array.from({ length: 256 }, (_, byte) => (accepts(byte) ? 1 : 0))

const tableOfForm = (form: RegExp): Uint8Array => tableOf((byte) => byte < 0x80 && form.test(String.fromCharCode(byte)))

/** What stands for itself in a canonical string, of ASCII. */
const plain = tableOf((byte) => byte >= 0x20 && byte < 0x80 && byte !== quote && byte !== backslash)
const nameByte = tableOfForm(/[A-Za-z0-9_.-]/)
const sourceByte = tableOfForm(/[a-z0-9_-]/)
const typeByte = tableOfForm(/[a-z0-9_.-]/)
const lowerByte = tableOfForm(/[a-z]/)
/** RFC 8785 section 3.2.2.2: the escapes that have two characters. */
const shortEscape = tableOfForm(/["\\bfnrt]/)

/** Value of a lower-case hex digit; more than a byte can hold for everything else. */
const hexValue = Uint16Array.from({ length: 256 }, (_, byte) => {
  const at = "0123456789abcdef".indexOf(String.fromCharCode(byte))
  return at < 0 ? 0x1000 : at
})

/** The two lower-case hex digits of a byte as a little-endian number. */
const hexPair = Uint16Array.from({ length: 256 }, (_, byte) =>
  Buffer.from(byte.toString(16).padStart(2, "0"), "latin1").readUInt16LE()
)

/** Four characters as a little-endian number. */
const word = (text: string): number => Buffer.from(text, "latin1").readInt32LE()

const hexDigits = Entry.zeroHash.length
/** `YYYY-MM-DDTHH:MM:SS.mmmZ` */
const timeLength = 24
const maxNameBytes = 64
const maxSourceBytes = 32
const maxTypeBytes = 64
const maxDigits = 15
const [data1, data2] = [word('{"da'), word('ta":')]
const [prev1, prev2] = [word(',"pr'), word('ev":')]
const [seq1, seq2] = [word('","s'), word('eq":')]
const [source1, source2] = [word(',"so'), word("urce")]
const [ts1, ts2] = [word('","t'), word('s":"')]
const [type1, type2] = [word('","t'), word('ype"')]
const [logPrefix, runPrefix] = [word("log."), word("run.")]
/** More than everything behind `data` can take: `,"prev":"…","seq":…,"source":"…","ts":"…","type":"…"}` */
const maxTailBytes = 256

const isDigit = (byte: number): boolean => byte >= zero && byte <= nine

/** A continuation byte of UTF-8. */
const isTrail = (byte: number | undefined): boolean => byte !== undefined && (byte & 0xc0) === 0x80

/** `YYYYMMDD` as one number and milliseconds of the day: both grow with the text of a time. */
export interface Instant {
  readonly day: number
  readonly millis: number
}

const padded = (value: number, width: number): string => String(value).padStart(width, "0")

/** The text of an instant. */
export const instantText = ({ day, millis }: Instant): string => {
  const date = padded(day, 8)
  const seconds = Math.floor(millis / 1000)
  const clock = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60].map((n) => padded(n, 2))
  return `${date.slice(0, 4)}-${date.slice(4, 6)}-${date.slice(6)}T${clock.join(":")}.${padded(millis % 1000, 3)}Z`
}

/** The instant of a text that `Entry.isTime` accepts. */
export const instantOf = (text: string): Instant => ({
  day: Number(text.slice(0, 4) + text.slice(5, 7) + text.slice(8, 10)),
  millis:
    ((Number(text.slice(11, 13)) * 60 + Number(text.slice(14, 16))) * 60 + Number(text.slice(17, 19))) * 1000 +
    Number(text.slice(20, 23))
})

/**
 * Reads leaves in one buffer. After `scan` accepted a leaf, the fields tell where its members are. Owned by one reader.
 *
 * The buffer must hold a line feed somewhere behind everything that is scanned: no leaf contains one, so that reading
 * stops there. Leaves near its very end are not known.
 */
export class LeafScanner {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  /** Index of the first hex digit of `prev`. */
  prevAt = 0
  seq = 0
  /** `ts`, as of `Instant`. */
  day = 0
  millis = 0
  sourceAt = 0
  sourceEnd = 0
  typeAt = 0
  typeEnd = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  /**
   * Reads the leaf that begins at `start`. It is canonical and keeps every rule but for `prev`, which the caller holds
   * against `prevIs` or `prevIsHex`.
   *
   * @returns index behind its last byte, or -1 for "don't know"
   */
  scan(start: number): number {
    const bytes = this.#bytes
    const view = this.#view
    if (start + maxTailBytes > bytes.length) return -1
    if (view.getInt32(start, true) !== data1 || view.getInt32(start + 4, true) !== data2) return -1
    if (bytes[start + 8] !== openBrace) return -1
    const prev = this.#members(start + 9, 1)
    if (prev < 0 || prev + maxTailBytes > bytes.length) return -1
    if (view.getInt32(prev, true) !== prev1 || view.getInt32(prev + 4, true) !== prev2) return -1
    if (bytes[prev + 8] !== quote) return -1
    this.prevAt = prev + 9
    const seq = this.prevAt + hexDigits
    if (view.getInt32(seq, true) !== seq1 || view.getInt32(seq + 4, true) !== seq2) return -1
    const source = this.#seq(seq + 8)
    if (source < 0) return -1
    if (view.getInt32(source, true) !== source1 || view.getInt32(source + 4, true) !== source2) return -1
    if (bytes[source + 8] !== quote || bytes[source + 9] !== colon || bytes[source + 10] !== quote) return -1
    this.sourceAt = source + 11
    const ts = this.#word(this.sourceAt, sourceByte, maxSourceBytes)
    if (ts < 0 || view.getInt32(ts, true) !== ts1 || view.getInt32(ts + 4, true) !== ts2) return -1
    this.sourceEnd = ts
    const type = ts + 8 + timeLength
    if (!this.#time(ts + 8)) return -1
    if (view.getInt32(type, true) !== type1 || view.getInt32(type + 4, true) !== type2) return -1
    if (bytes[type + 8] !== colon || bytes[type + 9] !== quote) return -1
    this.typeAt = type + 10
    const end = this.#word(this.typeAt, typeByte, maxTypeBytes)
    if (end < 0) return -1
    this.typeEnd = end
    const head = view.getInt32(this.typeAt, true)
    if (head === logPrefix || head === runPrefix || bytes[end] !== quote || bytes[end + 1] !== closeBrace) return -1
    return end + 2 - start > Entry.maxLeafBytes ? -1 : end + 2
  }

  /** Whether `prev` of the leaf just scanned is 64 lower-case hex digits. */
  get prevIsHex(): boolean {
    const bytes = this.#bytes
    for (let at = this.prevAt; at < this.prevAt + hexDigits; at++) {
      if (hexValue[bytes[at]!]! > 0xf) return false // the table has all bytes, the scan passed these
    }
    return true
  }

  /** Whether `prev` of the leaf just scanned is the 32 bytes at `at` in `hash`, in lower-case hex. */
  prevIs(hash: Uint8Array, at: number): boolean {
    const view = this.#view
    let digits = this.prevAt
    for (let byte = at; byte < at + hexDigits / 2; byte++, digits += 2) {
      if (view.getUint16(digits, true) !== hexPair[hash[byte]!]) return false // the caller has 32 bytes at `at`
    }
    return true
  }

  /** A name that begins with a lower-case letter. Index behind it, or -1. */
  #word(start: number, table: Uint8Array, maxBytes: number): number {
    const bytes = this.#bytes
    if (lowerByte[bytes[start]!] !== 1) return -1 // here and below: the table has all bytes, a line feed stops the scan
    let at = start + 1
    while (table[bytes[at]!] === 1) at++
    return at - start > maxBytes ? -1 : at
  }

  #seq(start: number): number {
    const at = this.#digits(start)
    if (at < 0) return -1
    let value = 0
    for (let index = start; index < at; index++) value = value * 10 + this.#bytes[index]! - zero
    this.seq = value
    return at
  }

  /** A whole number without leading zeros, of at most `maxDigits`. Index behind it, or -1. */
  #digits(start: number): number {
    const bytes = this.#bytes
    let at = start
    while (isDigit(bytes[at]!)) at++
    const length = at - start
    return length === 0 || length > maxDigits || (length > 1 && bytes[start] === zero) ? -1 : at
  }

  /** The number of two digits at `at`; too large for every use when they are none. */
  #two(at: number): number {
    const tens = this.#bytes[at]! - zero
    const ones = this.#bytes[at + 1]! - zero
    return tens < 0 || tens > 9 || ones < 0 || ones > 9 ? 1000 : tens * 10 + ones
  }

  #time(start: number): boolean {
    const bytes = this.#bytes
    if (bytes[start + 4] !== minus || bytes[start + 7] !== minus || bytes[start + 10] !== 0x54) return false
    if (bytes[start + 13] !== colon || bytes[start + 16] !== colon) return false
    if (bytes[start + 19] !== 0x2e || bytes[start + 23] !== 0x5a) return false
    const century = this.#two(start)
    const year = this.#two(start + 2)
    const month = this.#two(start + 5)
    const date = this.#two(start + 8)
    const hour = this.#two(start + 11)
    const minute = this.#two(start + 14)
    const second = this.#two(start + 17)
    const hundredths = this.#two(start + 20)
    const thousandth = bytes[start + 22]! - zero
    // Months differ from the 29th on: the calendar is left to Entry.isTime.
    if (month < 1 || month > 12 || date < 1 || date > 28 || hour > 23 || minute > 59 || second > 59) return false
    if (century > 99 || year > 99 || hundredths > 99 || thousandth < 0 || thousandth > 9) return false
    this.day = (century * 100 + year) * 10_000 + month * 100 + date
    this.millis = ((hour * 60 + minute) * 60 + second) * 1000 + hundredths * 10 + thousandth
    return true
  }

  /** Members of an object and its closing brace, from behind the opening one. Index behind it, or -1. */
  #members(start: number, depth: number): number {
    const bytes = this.#bytes
    if (bytes[start] === closeBrace) return start + 1
    if (depth > maxDepth) return -1
    let at = start
    let lastName = -1
    let lastEnd = -1
    for (;;) {
      if (bytes[at] !== quote) return -1
      const name = at + 1
      let end = name
      while (nameByte[bytes[end]!] === 1) end++
      if (bytes[end] !== quote || bytes[end + 1] !== colon) return -1
      if (end === name || end - name > maxNameBytes) return -1
      if (lastName >= 0 && !this.#isSmaller(lastName, lastEnd, name, end)) return -1
      lastName = name
      lastEnd = end
      at = this.#value(end + 2, depth)
      if (at < 0) return -1
      if (bytes[at] === closeBrace) return at + 1
      if (bytes[at] !== comma) return -1
      at++
    }
  }

  /** Whether the name from `a` to `aEnd` sorts before the one from `b` to `bEnd`: ASCII, so bytes are code units. */
  #isSmaller(a: number, aEnd: number, b: number, bEnd: number): boolean {
    const bytes = this.#bytes
    const shorter = Math.min(aEnd - a, bEnd - b)
    for (let index = 0; index < shorter; index++) {
      const difference = bytes[a + index]! - bytes[b + index]!
      if (difference !== 0) return difference < 0
    }
    return aEnd - a < bEnd - b
  }

  #items(start: number, depth: number): number {
    const bytes = this.#bytes
    if (bytes[start] === closeBracket) return start + 1
    if (depth > maxDepth) return -1
    let at = start
    for (;;) {
      at = this.#value(at, depth)
      if (at < 0) return -1
      if (bytes[at] === closeBracket) return at + 1
      if (bytes[at] !== comma) return -1
      at++
    }
  }

  #value(at: number, depth: number): number {
    const bytes = this.#bytes
    switch (bytes[at]) {
      case quote:
        return this.#string(at + 1)
      case openBrace:
        return this.#members(at + 1, depth + 1)
      case openBracket:
        return this.#items(at + 1, depth + 1)
      case minus:
        return bytes[at + 1] === zero ? -1 : this.#digits(at + 1)
      case 0x74: // t
        return bytes[at + 1] === 0x72 && bytes[at + 2] === 0x75 && bytes[at + 3] === 0x65 ? at + 4 : -1
      case 0x66: // f
        return bytes[at + 1] === 0x61 && bytes[at + 2] === 0x6c && bytes[at + 3] === 0x73 && bytes[at + 4] === 0x65
          ? at + 5
          : -1
      case 0x6e: // n
        return bytes[at + 1] === 0x75 && bytes[at + 2] === 0x6c && bytes[at + 3] === 0x6c ? at + 4 : -1
      default:
        return this.#digits(at)
    }
  }

  /** A string from behind its opening quote. Index behind the closing one, or -1. */
  #string(start: number): number {
    const bytes = this.#bytes
    let at = start
    for (;;) {
      at = this.#plainEnd(at)
      const byte = bytes[at]!
      if (byte === quote) return at + 1
      if (byte === backslash) {
        if (shortEscape[bytes[at + 1]!] === 1) at += 2
        else if (this.#isControlEscape(at)) at += 6
        else return -1
      } else if (byte >= 0xc2) {
        const length = this.#sequence(at)
        if (length === 0) return -1
        at += length
      } else return -1
    }
  }

  /** The first byte from `start` on that is not plain. Four at a time: a set high bit marks what needs a look. */
  #plainEnd(start: number): number {
    const bytes = this.#bytes
    const view = this.#view
    const last = bytes.length - 4
    let at = start
    while (at <= last) {
      const word = view.getInt32(at, true)
      const isQuote = (word ^ 0x22222222) - 0x01010101
      const isBackslash = (word ^ 0x5c5c5c5c) - 0x01010101
      if (((word | (word - 0x20202020) | isQuote | isBackslash) & 0x80808080) !== 0) break
      at += 4
    }
    while (plain[bytes[at]!] === 1) at++
    return at
  }

  /** RFC 8785 section 3.2.2.2: `\u00` and two lower-case digits, only for controls that have no short escape. */
  #isControlEscape(at: number): boolean {
    const bytes = this.#bytes
    if (bytes[at + 1] !== 0x75 || bytes[at + 2] !== zero || bytes[at + 3] !== zero) return false
    const high = hexValue[bytes[at + 4]!]!
    const low = hexValue[bytes[at + 5]!]!
    if (high > 1 || low > 0xf) return false
    return high === 1 || low < 8 || low === 0xb || low > 0xd
  }

  /** Length of the UTF-8 sequence of more than one byte at `at` (RFC 3629 section 4), or 0 when it is none. */
  #sequence(at: number): number {
    const bytes = this.#bytes
    const lead = bytes[at]!
    const second = bytes[at + 1]!
    if (!isTrail(second)) return 0
    if (lead < 0xe0) return 2
    if (!isTrail(bytes[at + 2])) return 0
    if (lead < 0xf0) return (lead === 0xe0 && second < 0xa0) || (lead === 0xed && second > 0x9f) ? 0 : 3
    if (lead > 0xf4 || !isTrail(bytes[at + 3])) return 0
    return (lead === 0xf0 && second < 0x90) || (lead === 0xf4 && second > 0x8f) ? 0 : 4
  }
}
