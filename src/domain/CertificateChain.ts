/**
 * Whether a certificate leads to one of the given trust anchors, at a given time (RFC 5280 section 6, without policies,
 * name constraints and revocation).
 *
 * OpenSSL, through node:crypto, reads the certificates and checks issuers and signatures. What it does not show, such
 * as criticality, is read here. Every certificate is visited once, so cross-signed cycles end.
 *
 * @module
 */
import { X509Certificate } from "node:crypto"
import * as Der from "./Der.ts"

interface Extension {
  readonly critical: boolean
  readonly value: Der.Element | undefined
}

export interface Certificate {
  readonly der: Uint8Array
  readonly x509: X509Certificate
  /** DER of the issuer's name. */
  readonly issuer: Uint8Array
  /** DER of the serial number. */
  readonly serialNumber: Uint8Array
  readonly notBefore: Date
  readonly notAfter: Date
  /** Dotted OID of the issuer's signature algorithm. */
  readonly signatureAlgorithm: string
  /** By dotted OID; `undefined` when one of them is there twice or not readable. */
  readonly extensions: ReadonlyMap<string, Extension>
}

/** Certificates of a chain without the anchor, at most. */
const maxDepth = 8
/** Signatures checked for one chain, at most: hostile input may hold many certificates that seem to fit. */
const maxSignatureChecks = 64

/** SHA-2 signatures by RSA (RFC 4055) and ECDSA (RFC 5758), and Ed25519 (RFC 8410). */
const acceptedSignatures = new Set([
  "1.2.840.113549.1.1.10",
  "1.2.840.113549.1.1.11",
  "1.2.840.113549.1.1.12",
  "1.2.840.113549.1.1.13",
  "1.2.840.10045.4.3.2",
  "1.2.840.10045.4.3.3",
  "1.2.840.10045.4.3.4",
  "1.3.101.112"
])
const keyUsageId = "2.5.29.15"
const basicConstraintsId = "2.5.29.19"
const extendedKeyUsageId = "2.5.29.37"
/** Extensions that may be critical because they are heeded here; subjectAltName says nothing that matters here. */
const understood = new Set([keyUsageId, basicConstraintsId, extendedKeyUsageId, "2.5.29.17"])
const anyExtendedKeyUsage = "2.5.29.37.0"

const readExtensions = (tbs: Der.Element): ReadonlyMap<string, Extension> | undefined => {
  const result = new Map<string, Extension>()
  const list = tbs.children.find((child) => child.tag === Der.context(3))?.children[0]
  for (const extension of Der.sequence(list)) {
    const children = Der.sequence(extension)
    const id = Der.oid(children[0])
    const octets = children.at(-1)
    if (id === undefined || octets?.tag !== Der.tags.octetString || result.has(id)) return undefined
    const critical = children.length === 3 && children[1]?.tag === Der.tags.boolean && children[1].value[0] === 0xff
    result.set(id, { critical, value: Der.read(octets.value) })
  }
  return result
}

const openssl = (der: Uint8Array): X509Certificate | undefined => {
  try {
    return new X509Certificate(der)
  } catch {
    return undefined
  }
}

/** Reads one DER certificate; `undefined` when it is not one. */
export const read = (der: Uint8Array): Certificate | undefined => {
  const root = Der.read(der)
  const [tbs, algorithm] = Der.sequence(root)
  if (tbs === undefined) return undefined
  // version [0] is left out in certificates of version 1.
  const fields = tbs.children.slice(tbs.children[0]?.tag === Der.context(0) ? 1 : 0)
  const [serialNumber, , issuer, validity] = fields
  const notBefore = Der.time(validity?.children[0])
  const notAfter = Der.time(validity?.children[1])
  const signatureAlgorithm = Der.oid(algorithm?.children[0])
  const extensions = readExtensions(tbs)
  const x509 = openssl(der)
  if (serialNumber === undefined || issuer === undefined || extensions === undefined) return undefined
  if (notBefore === undefined || notAfter === undefined) return undefined
  if (signatureAlgorithm === undefined || x509 === undefined) return undefined
  const names = { issuer: issuer.bytes, serialNumber: serialNumber.bytes }
  return { der, x509, ...names, notBefore, notAfter, signatureAlgorithm, extensions }
}

/** The certificates of a PEM text (one or more); `undefined` when it has none or one that cannot be read. */
export const readPem = (pem: string): ReadonlyArray<Certificate> | undefined => {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? []
  const result: Array<Certificate> = []
  for (const block of blocks) {
    const certificate = read(Buffer.from(block.split("-----")[2] ?? "", "base64"))
    if (certificate === undefined) return undefined
    result.push(certificate)
  }
  return result.length === 0 ? undefined : result
}

/** The key purposes of a certificate, and whether the extension is critical; `undefined` when it is not there. */
export const keyPurposes = (
  certificate: Certificate
): { readonly critical: boolean; readonly purposes: ReadonlyArray<string | undefined> } | undefined => {
  const extension = certificate.extensions.get(extendedKeyUsageId)
  if (extension === undefined) return undefined
  return { critical: extension.critical, purposes: Der.sequence(extension.value).map(Der.oid) }
}

/** Bits of the first octet of KeyUsage, digitalSignature being 0x80; `undefined` when it is not there. */
export const keyUsage = (certificate: Certificate): number | undefined => {
  const extension = certificate.extensions.get(keyUsageId)
  return extension === undefined ? undefined : (extension.value?.value[1] ?? 0)
}

/** One line for people: the common name, or else the whole subject; no control characters, at most 200 characters. */
export const subject = (certificate: Certificate): string => {
  const parts = certificate.x509.subject.split("\n")
  const common = parts.find((part) => part.startsWith("CN="))?.slice("CN=".length)
  return (common ?? parts.join(", ")).replaceAll(/[^\p{L}\p{M}\p{N}\p{P}\p{S} ]/gu, "?").slice(0, 200)
}

const day = (date: Date): string => date.toISOString().slice(0, 10)

/** Why `certificate` cannot stand in a chain, `depth` certificates above the first; `undefined` when it can. */
const problemOf = (certificate: Certificate, depth: number, at: Date, purpose: string): string | undefined => {
  const name = `the certificate of "${subject(certificate)}"`
  if (at < certificate.notBefore || at > certificate.notAfter) {
    return `${name} is valid from ${day(certificate.notBefore)} to ${day(certificate.notAfter)}, not at the token's time`
  }
  for (const [id, extension] of certificate.extensions) {
    if (extension.critical && !understood.has(id)) return `${name} has a critical extension that is not known (${id})`
  }
  if (depth === 0) return undefined
  if (!certificate.x509.ca) return `${name} is not a CA's`
  const constraints = Der.sequence(certificate.extensions.get(basicConstraintsId)?.value)
  const pathLength = constraints.length > 1 ? (Der.smallInteger(constraints[1]) ?? 0) : Number.POSITIVE_INFINITY
  if (depth - 1 > pathLength) return `${name} allows at most ${pathLength} CAs below it`
  const purposes = keyPurposes(certificate)?.purposes
  if (purposes !== undefined && !purposes.includes(purpose) && !purposes.includes(anyExtendedKeyUsage)) {
    return `${name} may not issue certificates for this purpose`
  }
  return undefined
}

const signedBy = (certificate: Certificate, issuer: Certificate): boolean => {
  try {
    return certificate.x509.verify(issuer.x509.publicKey)
  } catch {
    return false
  }
}

/** True when a self-issued certificate is signed by none of the same name in the set: some byte of it has changed. */
export const hasDamagedRoot = (certificates: ReadonlyArray<Certificate>): boolean =>
  certificates
    .filter(({ x509 }) => x509.subject === x509.issuer)
    .some((root) => !certificates.some((other) => other.x509.subject === root.x509.issuer && signedBy(root, other)))

/**
 * Searches a chain from `certificate` over `others` to one of `anchors`; every certificate of it, the anchor too, must
 * be valid at `at`. `purpose` is the dotted OID of the extended key usage that issuers, if they name any, must name.
 * The answer is `undefined` for success and the reason otherwise.
 */
export const problem = (
  certificate: Certificate,
  others: ReadonlyArray<Certificate>,
  anchors: ReadonlyArray<Certificate>,
  at: Date,
  purpose: string
): string | undefined => {
  const problems: Array<string> = []
  const visited = new Set<string>()
  let checks = maxSignatureChecks
  const isAnchor = (candidate: Certificate): boolean =>
    anchors.some((anchor) => anchor.x509.fingerprint256 === candidate.x509.fingerprint256)

  const leads = (current: Certificate, depth: number): boolean => {
    if (visited.has(current.x509.fingerprint256)) return false
    visited.add(current.x509.fingerprint256)
    const found = problemOf(current, depth, at, purpose)
    if (found !== undefined) {
      problems.push(found)
      return false
    }
    if (isAnchor(current)) return true
    if (depth >= maxDepth) return false
    if (!acceptedSignatures.has(current.signatureAlgorithm)) {
      problems.push(`the certificate of "${subject(current)}" is signed by an algorithm that is not accepted`)
      return false
    }
    for (const issuer of [...anchors, ...others]) {
      if (!current.x509.checkIssued(issuer.x509)) continue
      if (checks-- <= 0) return false
      if (signedBy(current, issuer) && leads(issuer, depth + 1)) return true
    }
    return false
  }
  return leads(certificate, 0) ? undefined : (problems[0] ?? "its certificate does not lead to a given CA")
}
