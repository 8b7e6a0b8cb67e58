/**
 * RFC 3161 time stamps over signed notes: the imprint is the hash of the note with its signature lines, so that
 * `openssl ts -verify -data checkpoint.note` checks the same thing (format section 3).
 *
 * pkijs verifies the CMS signature and is loaded only then. The form is read before by `Der`, within bounds, and
 * trust is decided by `CertificateChain` at the token's own time. No network, no revocation: an old token stays valid
 * after its certificate has expired, and a revoked authority has to be taken out of the given CAs.
 *
 * CMS leaves some bytes unsigned, such as certificates beside the signer's: a token in which only those differ still
 * proves the same time of the same note.
 *
 * @module
 */
import * as Data from "effect/Data"
import * as Either from "effect/Either"
import { hash, webcrypto } from "node:crypto"
import * as CertificateChain from "./CertificateChain.ts"
import * as Der from "./Der.ts"

/** What a token says, before anything of it is verified. */
export interface Claims {
  /** Hash of what was stamped. */
  readonly imprint: Uint8Array
  /** Time of stamping, to the millisecond. */
  readonly time: Date
}

export type TokenResult =
  /** Made at `time` by `tsa`, the common name of the signer, whose certificate leads to a given CA. */
  | { readonly _tag: "valid"; readonly time: Date; readonly tsa: string }
  /** In itself right, but nobody that was named vouches for its signer. */
  | { readonly _tag: "untrusted"; readonly reason: string; readonly time: Date }
  /** Not a time stamp of this note. */
  | { readonly _tag: "invalid"; readonly reason: string }

/** The bytes are not a granted TimeStampResp; `reason` completes "not a time stamp: ". */
export class TokenError extends Data.TaggedError("TokenError")<{ readonly reason: string }> {
  override get message(): string {
    return `not a time stamp: ${this.reason}`
  }
}

/** Largest TimeStampResp that is looked at, bytes. */
export const maxTokenBytes = 65_536
/** Most certificates within a token. */
const maxCertificates = 16

/** SHA-2 by dotted OID (RFC 5754), by the names of node:crypto. */
const digests = new Map([
  ["2.16.840.1.101.3.4.2.1", "sha256"],
  ["2.16.840.1.101.3.4.2.2", "sha384"],
  ["2.16.840.1.101.3.4.2.3", "sha512"]
])
const rsassaPss = "1.2.840.113549.1.1.10"
/** CMS signature algorithms: RSA with the digest of the signer info, RSA-PSS, RSA and ECDSA with SHA-2. */
const signatureAlgorithms = new Set([
  "1.2.840.113549.1.1.1",
  rsassaPss,
  "1.2.840.113549.1.1.11",
  "1.2.840.113549.1.1.12",
  "1.2.840.113549.1.1.13",
  "1.2.840.10045.4.3.2",
  "1.2.840.10045.4.3.3",
  "1.2.840.10045.4.3.4"
])
const ids = {
  signedData: "1.2.840.113549.1.7.2",
  tstInfo: "1.2.840.113549.1.9.16.1.4",
  contentType: "1.2.840.113549.1.9.3",
  messageDigest: "1.2.840.113549.1.9.4",
  signingCertificate: "1.2.840.113549.1.9.16.2.12",
  signingCertificateV2: "1.2.840.113549.1.9.16.2.47",
  timeStamping: "1.3.6.1.5.5.7.3.8"
} as const

/** The parts of a TimeStampResp, unverified. */
interface Parts extends Claims {
  /** Name for node:crypto's hash of the imprint. */
  readonly digest: string
  readonly signedData: Uint8Array
  readonly certificates: ReadonlyArray<Uint8Array>
  /** SignerIdentifier: a sequence of issuer and serial number, or a key identifier [0]. */
  readonly sid: Der.Element
  /** Attributes of the one signer: the values by dotted OID. */
  readonly attributes: ReadonlyMap<string, ReadonlyArray<Der.Element>>
}

/** Ends the reading of a token; never leaves this module. */
const refuse = (reason: string): never => {
  throw new TokenError({ reason })
}

const sameBytes = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0

/** Dotted OID of an AlgorithmIdentifier, "" for anything else. */
const algorithmId = (algorithm: Der.Element | undefined): string => Der.oid(Der.sequence(algorithm)[0]) ?? ""

/** What an explicit tag [0] wraps. */
const inContext0 = (element: Der.Element | undefined): Der.Element | undefined =>
  element?.tag === Der.context(0) && element.children.length === 1 ? element.children[0] : undefined

/** TSTInfo, RFC 3161 section 2.4.2. */
const readTstInfo = (octets: Uint8Array): Claims & { readonly digest: string } => {
  const [version, policy, imprint, serial, genTime, ...optional] = Der.sequence(Der.read(octets))
  if (Der.smallInteger(version) !== 1) return refuse("its TSTInfo is not of version 1")
  const [imprintAlgorithm, hashed] = Der.sequence(imprint)
  const digest = digests.get(algorithmId(imprintAlgorithm))
  const time = Der.time(genTime)
  if (digest === undefined) return refuse("its imprint is not SHA-256, SHA-384 or SHA-512")
  if (hashed?.tag !== Der.tags.octetString) return refuse("it has no imprint")
  if (policy?.tag !== Der.tags.oid || serial?.tag !== Der.tags.integer) return refuse("its TSTInfo is damaged")
  if (time === undefined) return refuse("its time is not a UTC GeneralizedTime")
  const extensions = optional.find((element) => element.tag === Der.context(1))?.children ?? []
  if (extensions.some((extension) => extension.children[1]?.tag === Der.tags.boolean)) {
    return refuse("it has a critical extension, and none is known")
  }
  return { digest, imprint: hashed.value, time }
}

/** An AlgorithmIdentifier without parameters, or with NULL in their place. */
const isPlain = (algorithm: Der.Element | undefined): boolean => {
  const [, parameters, ...more] = Der.sequence(algorithm)
  return more.length === 0 && (parameters === undefined || parameters.tag === Der.tags.nothing)
}

/** PSS only with an explicit SHA-2 hash: without parameters it means SHA-1 (RFC 4055 section 3.1). */
const isAcceptedSignature = (algorithm: Der.Element | undefined): boolean => {
  const id = algorithmId(algorithm)
  if (id !== rsassaPss) return signatureAlgorithms.has(id) && isPlain(algorithm)
  const pssHash = Der.sequence(Der.sequence(algorithm)[1]).find((element) => element.tag === Der.context(0))
  return digests.has(algorithmId(pssHash?.children[0]))
}

/** ECDSA signatures are a sequence of two integers (RFC 3279 section 2.2.3); libraries read them too kindly. */
const isWellFormed = (id: string, signature: Uint8Array): boolean => {
  if (!id.startsWith("1.2.840.10045.")) return true
  const parts = Der.sequence(Der.read(signature))
  return parts.length === 2 && parts.every((part) => part.tag === Der.tags.integer)
}

/** SignerInfo, RFC 5652 section 5.3; the attributes are required as the content is not plain data. */
const readSigner = (signer: Der.Element, listed: Der.Element): Pick<Parts, "attributes" | "sid"> => {
  const [version, sid, digestAlgorithm, attributes, signatureAlgorithm, signature] = Der.sequence(signer)
  const byName = sid?.tag === Der.tags.sequence
  if (sid === undefined || Der.smallInteger(version) !== (byName ? 1 : 3))
    return refuse("its signer is not named rightly")
  if (attributes?.tag !== Der.context(0)) return refuse("its signer has no signed attributes")
  const digest = digests.get(algorithmId(digestAlgorithm))
  if (digest === undefined || !isPlain(digestAlgorithm) || !isAcceptedSignature(signatureAlgorithm)) {
    return refuse("it is signed by an algorithm that is not accepted")
  }
  if (!listed.children.some((other) => isPlain(other) && algorithmId(other) === algorithmId(digestAlgorithm))) {
    return refuse("its list of digests does not have the signer's")
  }
  if (signature?.tag !== Der.tags.octetString || !isWellFormed(algorithmId(signatureAlgorithm), signature.value)) {
    return refuse("its signature is damaged")
  }
  const result = new Map<string, ReadonlyArray<Der.Element>>()
  for (const attribute of attributes.children) {
    const [type, values] = Der.sequence(attribute)
    const id = Der.oid(type)
    if (id === undefined || values?.tag !== Der.tags.set || result.has(id)) {
      return refuse("a signed attribute is damaged or there twice")
    }
    result.set(id, values.children)
  }
  for (const id of [ids.contentType, ids.messageDigest]) {
    if (result.get(id)?.length !== 1) return refuse("a signed attribute that every token has is missing")
  }
  if (Der.oid(result.get(ids.contentType)?.[0]) !== ids.tstInfo) return refuse("what is signed is not a TSTInfo")
  return { attributes: result, sid }
}

/** TimeStampResp (RFC 3161 section 2.4.2) with SignedData (RFC 5652 section 5.1) in it. */
const readParts = (der: Uint8Array): Parts => {
  if (der.length > maxTokenBytes) return refuse(`it is larger than ${maxTokenBytes} bytes`)
  const [status, token, ...more] = Der.sequence(Der.read(der))
  const granted = Der.smallInteger(Der.sequence(status)[0])
  if (granted === undefined || more.length > 0) return refuse("it is not a TimeStampResp in DER")
  // 0 granted, 1 grantedWithMods.
  if (granted > 1) return refuse(`the authority answered with status ${granted} instead of a token`)
  const [signedDataId, wrapped] = Der.sequence(token)
  const signedData = inContext0(wrapped)
  if (Der.oid(signedDataId) !== ids.signedData || signedData === undefined) return refuse("it has no signed data")
  const [version, algorithms, content, ...rest] = Der.sequence(signedData)
  // RFC 5652 section 5.1: 3 for content that is not plain data, 4 and 5 with certificates of other kinds.
  if (![3, 4, 5].includes(Der.smallInteger(version) ?? 0) || algorithms?.tag !== Der.tags.set) {
    return refuse("its signed data is damaged")
  }
  const [contentType, explicit] = Der.sequence(content)
  const octets = inContext0(explicit)
  if (Der.oid(contentType) !== ids.tstInfo || octets?.tag !== Der.tags.octetString) {
    return refuse("its content is not a TSTInfo")
  }
  const certificates = rest.find((element) => element.tag === Der.context(0))?.children ?? []
  if (certificates.length === 0) return refuse("it holds no certificate of its signer; ask the authority for it")
  if (certificates.length > maxCertificates) return refuse(`it holds more than ${maxCertificates} certificates`)
  const signers = rest.at(-1)
  const signer = signers?.children[0]
  if (signers?.tag !== Der.tags.set || signer === undefined || signers.children.length !== 1) {
    return refuse("it does not have exactly one signer")
  }
  return {
    ...readTstInfo(octets.value),
    signedData: signedData.bytes,
    certificates: certificates.map((certificate) => certificate.bytes),
    ...readSigner(signer, algorithms)
  }
}

const attempt = (der: Uint8Array): Either.Either<Parts, TokenError> => {
  try {
    return Either.right(readParts(der))
  } catch (error) {
    if (error instanceof TokenError) return Either.left(error)
    throw error
  }
}

/** What a TimeStampResp claims; nothing is verified. */
export const inspect = (der: Uint8Array): Either.Either<Claims, TokenError> =>
  Either.map(attempt(der), ({ imprint, time }) => ({ imprint, time }))

/** Checks the CMS signature and gives the index of the signer's certificate, or `undefined` when it is not right. */
const verifySignature = async (parts: Parts, data: Uint8Array): Promise<number | undefined> => {
  const pkijs = await import("pkijs")
  const engine = new pkijs.CryptoEngine({ name: "node", crypto: webcrypto })
  try {
    const signedData = pkijs.SignedData.fromBER(new Uint8Array(parts.signedData).buffer)
    const result = await signedData.verify(
      { signer: 0, data: new Uint8Array(data).buffer, checkChain: false, extendedMode: true },
      engine
    )
    const signer = result.signerCertificate
    if (result.signatureVerified !== true || !signer) return undefined
    const index = signedData.certificates?.indexOf(signer) ?? -1
    return index < 0 ? undefined : index
  } catch {
    return undefined
  }
}

/**
 * The signer's name must be that of the certificate to the byte, and the signing-certificate attributes (RFC 5035, RFC
 * 2634), where present, must begin with its hash: otherwise the key is lent to a certificate that was not meant.
 */
const namesSigner = (parts: Parts, { der, issuer, serialNumber }: CertificateChain.Certificate): boolean => {
  const [namedIssuer, namedSerial] = parts.sid.children
  if (parts.sid.tag === Der.tags.sequence && namedIssuer !== undefined && namedSerial !== undefined) {
    if (!sameBytes(namedIssuer.bytes, issuer) || !sameBytes(namedSerial.bytes, serialNumber)) return false
  }
  for (const [id, fallback] of [
    [ids.signingCertificate, "sha1"],
    [ids.signingCertificateV2, "sha256"]
  ] as const) {
    const values = parts.attributes.get(id)
    if (values === undefined) continue
    const [certificates] = Der.sequence(values[0])
    const [head, ...tail] = Der.sequence(Der.sequence(certificates)[0])
    const named = head?.tag === Der.tags.sequence && id === ids.signingCertificateV2
    const algorithm = named ? digests.get(algorithmId(head)) : fallback
    const expected = named ? tail[0] : head
    if (algorithm === undefined || expected?.tag !== Der.tags.octetString) return false
    if (!sameBytes(hash(algorithm, der, "buffer"), expected.value)) return false
  }
  return true
}

/** Why a certificate may not sign time stamps (RFC 3161 section 2.3), or `undefined`. */
const purposeProblem = (certificate: CertificateChain.Certificate): string | undefined => {
  const extended = CertificateChain.keyPurposes(certificate)
  if (extended?.critical !== true || extended.purposes.length !== 1 || extended.purposes[0] !== ids.timeStamping) {
    return "its signer's certificate is not for time stamping alone (critical extended key usage)"
  }
  // digitalSignature 0x80, nonRepudiation 0x40.
  const usage = CertificateChain.keyUsage(certificate)
  return usage !== undefined && (usage & 0xc0) === 0 ? "its signer's certificate is not for signatures" : undefined
}

const invalid = (reason: string): TokenResult => ({ _tag: "invalid", reason })

/**
 * Verifies a TimeStampResp over `note` and looks for a chain to one of `trustAnchors` (PEM, one or more certificates
 * each). Never throws or rejects, whatever the bytes are.
 */
export const verify = async (
  der: Uint8Array,
  note: string,
  trustAnchors: ReadonlyArray<string>
): Promise<TokenResult> => {
  const read = attempt(der)
  if (Either.isLeft(read)) return invalid(read.left.reason)
  const parts = read.right
  const { time } = parts
  const data = Buffer.from(note, "utf8")
  if (!sameBytes(hash(parts.digest, data, "buffer"), parts.imprint))
    return invalid("it is a time stamp of another note")
  const index = await verifySignature(parts, data)
  if (index === undefined) return invalid("its signature is not valid")
  const certificates = parts.certificates.map(CertificateChain.read)
  const signer = certificates[index]
  const readable = certificates.filter((certificate) => certificate !== undefined)
  if (signer === undefined || readable.length < certificates.length)
    return invalid("a certificate in it cannot be read")
  if (CertificateChain.hasDamagedRoot(readable)) return invalid("a root certificate in it is damaged")
  if (!namesSigner(parts, signer)) return invalid("it names another certificate than its signer's")
  const misuse = purposeProblem(signer)
  if (misuse !== undefined) return invalid(misuse)

  const untrusted = (reason: string): TokenResult => ({ _tag: "untrusted", reason, time })
  if (trustAnchors.length === 0) return untrusted("no CA for time stamps was given")
  const anchors = trustAnchors.map(CertificateChain.readPem)
  if (anchors.includes(undefined)) return untrusted("a given CA is not a PEM certificate")
  const problem = CertificateChain.problem(
    signer,
    readable,
    anchors.flatMap((anchor) => anchor ?? []),
    time,
    ids.timeStamping
  )
  return problem === undefined ? { _tag: "valid", time, tsa: CertificateChain.subject(signer) } : untrusted(problem)
}
