import { assert, describe, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, verify as cryptoVerify } from "node:crypto"
import * as Ed25519 from "../../src/domain/Ed25519.ts"
import vectors from "../fixtures/format/vectors.json" with { type: "json" }

const hex = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, "hex"))
const toHex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex")

// RFC 8032 section 7.1, tests 1 and 2: seed, public key, message, signature.
const rfc8032 = [
  {
    seed: "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
    publicKey: "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
    message: "",
    signature:
      "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
  },
  {
    seed: "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
    publicKey: "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
    message: "72",
    signature:
      "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
  }
] as const

// The curve by textbook affine formulas, independent of the module, to build keys and signatures that no signer makes.
const p = 2n ** 255n - 19n
const L = 2n ** 252n + 27742317777372353535851937790883648493n
const mod = (a: bigint, m: bigint): bigint => ((a % m) + m) % m
const pow = (base: bigint, exponent: bigint): bigint =>
  exponent === 0n
    ? 1n
    : exponent % 2n === 0n
      ? pow((base * base) % p, exponent / 2n)
      : (base * pow(base, exponent - 1n)) % p
const inverse = (a: bigint): bigint => pow(mod(a, p), p - 2n)
const d = mod(-121665n * inverse(121666n), p)
type Point = readonly [x: bigint, y: bigint]
const add = ([x1, y1]: Point, [x2, y2]: Point): Point => {
  const t = mod(d * x1 * x2 * y1 * y2, p)
  return [mod((x1 * y2 + x2 * y1) * inverse(1n + t), p), mod((y1 * y2 + x1 * x2) * inverse(1n - t), p)]
}
const times = (scalar: bigint, point: Point): Point => {
  let result: Point = [0n, 1n]
  let double = point
  for (let rest = scalar; rest > 0n; rest >>= 1n) {
    if (rest % 2n === 1n) result = add(result, double)
    double = add(double, double)
  }
  return result
}
const number = (bytes: Uint8Array): bigint => BigInt(`0x${toHex(bytes.toReversed())}`)
const bytesOf = (value: bigint): Uint8Array => hex(value.toString(16).padStart(64, "0")).toReversed()
const encodePoint = ([x, y]: Point): Uint8Array => bytesOf(y | ((x & 1n) << 255n))
const squareRoot = (a: bigint): bigint | undefined => {
  const candidate = pow(a, (p + 3n) / 8n)
  for (const root of [candidate, mod(candidate * pow(2n, (p - 1n) / 4n), p)]) {
    if (mod(root * root - a, p) === 0n) return root
  }
  return undefined
}
const xOf = (y: bigint): bigint | undefined => squareRoot(mod((y * y - 1n) * inverse(d * y * y + 1n), p))
const baseY = mod(4n * inverse(5n), p)
const rootX = xOf(baseY) ?? 0n
const B: Point = [rootX % 2n === 0n ? rootX : p - rootX, baseY]
const sha512 = (...parts: ReadonlyArray<Uint8Array>): Uint8Array =>
  createHash("sha512").update(Buffer.concat(parts)).digest()

/** Every encoding, canonical or not, of the eight points whose order divides 8. */
const smallOrder: ReadonlyArray<readonly [why: string, encoding: string]> = [
  ["order 1", `01${"00".repeat(31)}`],
  ["order 1 with the sign bit", `01${"00".repeat(30)}80`],
  ["order 1 as p + 1", `ee${"ff".repeat(30)}7f`],
  ["order 1 as p + 1 with the sign bit", `ee${"ff".repeat(31)}`],
  ["order 2", `ec${"ff".repeat(30)}7f`],
  ["order 2 with the sign bit", `ec${"ff".repeat(31)}`],
  ["order 4", "00".repeat(32)],
  ["order 4 with the sign bit", `${"00".repeat(31)}80`],
  ["order 4 as p", `ed${"ff".repeat(30)}7f`],
  ["order 4 as p with the sign bit", `ed${"ff".repeat(31)}`],
  ["order 8, first y", "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"],
  ["order 8, first y with the sign bit", "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85"],
  ["order 8, second y", "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"],
  ["order 8, second y with the sign bit", "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa"]
]
const order8: Point = (() => {
  const y = number(hex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"))
  return [xOf(y) ?? 0n, y]
})()

describe("Ed25519", () => {
  it.each(rfc8032)("RFC 8032 key $publicKey signs and verifies as printed", (vector) => {
    const pair = Ed25519.fromSeed(hex(vector.seed))
    assert.strictEqual(toHex(pair.publicKey), vector.publicKey)
    assert.strictEqual(toHex(Ed25519.sign(pair.privateKey, hex(vector.message))), vector.signature)
    assert.isTrue(Ed25519.verify(pair.publicKey, hex(vector.message), hex(vector.signature)))
  })

  it.each(Object.entries(vectors.keys))("the seed of vector key %s gives its public key", (_, key) => {
    const pair = Ed25519.fromSeed(hex(key.seed))
    assert.strictEqual(toHex(pair.publicKey), key.public)
    assert.strictEqual(toHex(Ed25519.seedOf(pair.privateKey)), key.seed)
    assert.isTrue(Ed25519.isValidPublicKey(pair.publicKey))
  })

  it.prop(
    "a signature verifies, and not after any bit of it, the key or the message changed",
    [
      FastCheck.uint8Array({ minLength: 32, maxLength: 32 }),
      FastCheck.uint8Array({ minLength: 1, maxLength: 80 }),
      FastCheck.nat(),
      FastCheck.integer({ min: 0, max: 7 })
    ],
    ([seed, message, at, bit]) => {
      const { privateKey, publicKey } = Ed25519.fromSeed(seed)
      const signature = Ed25519.sign(privateKey, message)
      const flip = (bytes: Uint8Array) => bytes.map((byte, i) => (i === at % bytes.length ? byte ^ (1 << bit) : byte))
      assert.isTrue(Ed25519.verify(publicKey, message, signature))
      assert.isFalse(Ed25519.verify(publicKey, message, flip(signature)))
      assert.isFalse(Ed25519.verify(publicKey, flip(message), signature))
      assert.isFalse(Ed25519.verify(flip(publicKey), message, signature))
    }
  )

  it.prop(
    "arbitrary bytes are answered, never thrown at",
    [FastCheck.uint8Array({ maxLength: 70 }), FastCheck.uint8Array(), FastCheck.uint8Array({ maxLength: 70 })],
    ([key, message, signature]) => {
      assert.isFalse(Ed25519.verify(key, message, signature))
    }
  )

  it.prop(
    "a key is valid exactly when the textbook decoding finds a point that is not killed by 8",
    [FastCheck.uint8Array({ minLength: 32, maxLength: 32 })],
    ([raw]) => {
      const y = number(raw) & (2n ** 255n - 1n)
      const x = y < p ? xOf(y) : undefined
      const killed = x !== undefined && times(8n, [x, y])[0] === 0n && times(8n, [x, y])[1] === 1n
      assert.strictEqual(Ed25519.isValidPublicKey(raw), x !== undefined && !killed)
    },
    { fastCheck: { numRuns: 50 } }
  )

  it.each(smallOrder)("a public key of %s is refused and verifies nothing", (_, encoding) => {
    assert.isFalse(Ed25519.isValidPublicKey(hex(encoding)))
    // S = 0 and R = the identity satisfy the equation under a key of small order for one message in eight or more.
    const forged = hex(`01${"00".repeat(63)}`)
    for (let i = 0; i < 32; i++) assert.isFalse(Ed25519.verify(hex(encoding), Buffer.of(i), forged))
  })

  it("the list of small-order encodings is complete: all multiples of an order-8 point are in it", () => {
    const listed = new Set(smallOrder.map(([, encoding]) => encoding))
    for (let i = 0n; i < 8n; i++) assert.isTrue(listed.has(toHex(encodePoint(times(i, order8)))))
  })

  it("every y that is not reduced is refused", () => {
    for (let y = p; y < 2n ** 255n; y++) {
      assert.isFalse(Ed25519.isValidPublicKey(bytesOf(y)))
      assert.isFalse(Ed25519.isValidPublicKey(bytesOf(y | (1n << 255n))))
    }
  })

  it.each([0, 31, 33, 64])("a public key of %d bytes is refused", (length) => {
    assert.isFalse(Ed25519.isValidPublicKey(new Uint8Array(length).fill(9)))
  })

  const hostSeed = hex(vectors.keys.host.seed)
  const host = Ed25519.fromSeed(hostSeed)
  const message = Buffer.from("a message")
  const a = (number(sha512(hostSeed).subarray(0, 32)) & (2n ** 254n - 8n)) | (1n << 254n)

  /** A signature whose R is moved by a point of small order, and S made for it: only a cofactored verifier says yes. */
  const signMoved = (moveBy: Point): Uint8Array => {
    const r = 123456789n
    const R = encodePoint(add(times(r, B), moveBy))
    const k = mod(number(sha512(R, host.publicKey, message)), L)
    return Buffer.concat([R, bytesOf(mod(r + k * a, L))])
  }

  it("the equation is cofactorless: a component of small order in R is refused", () => {
    assert.isTrue(Ed25519.verify(host.publicKey, message, signMoved([0n, 1n])))
    for (let i = 1n; i < 8n; i++) {
      assert.isFalse(Ed25519.verify(host.publicKey, message, signMoved(times(i, order8))))
    }
  })

  it("S is below L: the same signature with S + L is refused", () => {
    const signature = Ed25519.sign(host.privateKey, message)
    const malleated = Buffer.concat([signature.subarray(0, 32), bytesOf(number(signature.subarray(32)) + L)])
    assert.isFalse(Ed25519.verify(host.publicKey, message, malleated))
  })

  it("a generated pair signs what node:crypto verifies on its own", () => {
    const pair = Ed25519.generate()
    const key = createPublicKey({
      key: { kty: "OKP", crv: "Ed25519", x: Buffer.from(pair.publicKey).toString("base64url") },
      format: "jwk"
    })
    assert.isTrue(cryptoVerify(null, message, key, Ed25519.sign(pair.privateKey, message)))
  })

  it("a pair comes back from its PEM", () => {
    const pem = host.privateKey.export({ format: "pem", type: "pkcs8" })
    assert.deepStrictEqual(Ed25519.fromPrivateKey(createPrivateKey(pem)).publicKey, host.publicKey)
  })

  it("keys of another kind and seeds of another length are refused", () => {
    const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" })
    assert.throws(() => Ed25519.fromPrivateKey(privateKey), TypeError)
    assert.throws(() => Ed25519.fromPrivateKey(publicKey), TypeError)
    assert.throws(() => Ed25519.fromSeed(new Uint8Array(31)), TypeError)
  })

  it("more keys than are remembered all stay right", () => {
    const made = Array.from({ length: 600 }, (_, i) => Ed25519.fromSeed(sha512(Buffer.of(i >> 8, i)).subarray(0, 32)))
    for (const pair of [...made, ...made.slice(0, 3)]) {
      assert.isTrue(Ed25519.verify(pair.publicKey, message, Ed25519.sign(pair.privateKey, message)))
    }
  })
})
