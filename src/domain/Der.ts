/**
 * A reader of DER (X.690 section 10), as much as time-stamp tokens and certificates need.
 *
 * It reads the whole input into a tree with bounds on depth and number of elements, so that hostile input is refused
 * before any library that recurses or copies sees it. It checks lengths and tags, not the order of sets.
 *
 * @module
 */

export interface Element {
  /** Identifier octet: class, constructed bit and a tag number below 31. */
  readonly tag: number
  /** The whole element: identifier, length and contents. */
  readonly bytes: Uint8Array
  /** The contents. */
  readonly value: Uint8Array
  /** The elements within, when the constructed bit is set. */
  readonly children: ReadonlyArray<Element>
}

/** Identifier octets (X.680 section 8.4); `context(n)` is a constructed element of the context-specific class. */
export const tags = {
  boolean: 0x01,
  integer: 0x02,
  octetString: 0x04,
  nothing: 0x05,
  oid: 0x06,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31
} as const
export const context = (number: number): number => 0xa0 | number

/** Deepest nesting; a token with its certificates needs about 15. */
export const maxDepth = 32
/** Most elements of one input. */
export const maxElements = 8192

/** Contents' start and end, or `undefined` when the length is not in its shortest definite form or too long. */
const contentsAt = (bytes: Uint8Array, at: number): readonly [start: number, end: number] | undefined => {
  const first = bytes[at + 1]
  if (first === undefined) return undefined
  if (first < 0x80) return [at + 2, at + 2 + first]
  const count = first & 0x7f
  if (count < 1 || count > 4) return undefined
  let length = 0
  for (let i = 0; i < count; i++) length = length * 256 + (bytes[at + 2 + i] ?? 0)
  if (length < 0x80 || length < 256 ** (count - 1)) return undefined
  return [at + 2 + count, at + 2 + count + length]
}

/** The one element that `bytes` consists of, or `undefined` when it is not DER within the bounds. */
export const read = (bytes: Uint8Array): Element | undefined => {
  let left = maxElements
  const readMany = (region: Uint8Array, depth: number): ReadonlyArray<Element> | undefined => {
    const elements: Array<Element> = []
    for (let at = 0; at < region.length;) {
      const tag = region[at] ?? 0
      const contents = contentsAt(region, at)
      if (contents === undefined || contents[1] > region.length || (tag & 0x1f) === 0x1f) return undefined
      if (depth > maxDepth || left-- <= 0) return undefined
      const value = region.subarray(contents[0], contents[1])
      const children = (tag & 0x20) === 0 ? [] : readMany(value, depth + 1)
      if (children === undefined) return undefined
      elements.push({ tag, bytes: region.subarray(at, contents[1]), value, children })
      at = contents[1]
    }
    return elements
  }
  const elements = readMany(bytes, 1)
  return elements?.length === 1 ? elements[0] : undefined
}

/** The elements of a SEQUENCE; none for anything else. */
export const sequence = (element: Element | undefined): ReadonlyArray<Element> =>
  element?.tag === tags.sequence ? element.children : []

/** The dotted form of an OBJECT IDENTIFIER, or `undefined` for anything else. */
export const oid = (element: Element | undefined): string | undefined => {
  if (element?.tag !== tags.oid || element.value.length === 0 || element.value.length > 64) return undefined
  const arcs: Array<number> = []
  let arc = 0
  for (const [index, byte] of element.value.entries()) {
    arc = arc * 128 + (byte & 0x7f)
    if (!Number.isSafeInteger(arc)) return undefined
    if ((byte & 0x80) === 0) {
      arcs.push(arc)
      arc = 0
    } else if (index === element.value.length - 1) return undefined
  }
  const [head = 0, ...rest] = arcs
  const first = Math.min(2, Math.floor(head / 40))
  return [first, head - 40 * first, ...rest].join(".")
}

/** A non-negative INTEGER below 2^31 or `undefined`. */
export const smallInteger = (element: Element | undefined): number | undefined => {
  if (element?.tag !== tags.integer) return undefined
  const { value } = element
  if (value.length < 1 || value.length > 4 || (value[0] ?? 0) > 0x7f) return undefined
  let result = 0
  for (const byte of value) result = result * 256 + byte
  return result
}

/** A UTCTime or GeneralizedTime in its DER form, which is in UTC; a fraction is cut to milliseconds (RFC 5280, 3161). */
export const time = (element: Element | undefined): Date | undefined => {
  if (element?.tag !== tags.utcTime && element?.tag !== tags.generalizedTime) return undefined
  const text = Buffer.from(element.value).toString("latin1")
  const full = element.tag === tags.generalizedTime ? text : `${Number(text.slice(0, 2)) < 50 ? "20" : "19"}${text}`
  const match = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(?:\.(\d*[1-9]))?Z$/.exec(full)
  if (match === null || (element.tag === tags.utcTime && full.length !== 15)) return undefined
  const [, year, month, day, hour, minute, second, fraction = ""] = match
  const iso = `${year}-${month}-${day}T${hour}:${minute}:${second}.${fraction.slice(0, 3).padEnd(3, "0")}Z`
  const date = new Date(iso)
  return Number.isNaN(date.getTime()) || date.toISOString() !== iso ? undefined : date
}
