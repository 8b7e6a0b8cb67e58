import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as Bundle from "../../src/domain/Bundle.ts"
import * as Ed25519 from "../../src/domain/Ed25519.ts"
import { BundlePieces } from "../../src/layers/BundlePieces.ts"
import { DatabasePieces } from "../../src/layers/DatabasePieces.ts"
import type * as Piece from "../../src/layers/Piece.ts"
import * as PiecePool from "../../src/layers/PiecePool.ts"
import { SignaturesAhead } from "../../src/layers/SignaturesAhead.ts"
import * as Logs from "../fixtures/Logs.ts"
import { temporaryDirectory } from "../fixtures/TemporaryDirectory.ts"

const log = Logs.buildLog({
  records: Array.from({ length: 500 }, (_, at) => Logs.consoleLine(`line ${at} ${"x".repeat((at * 37) % 300)}`)),
  checkpointEvery: 60,
  rotateEvery: 130
})

/** Every entry is in exactly one item, in order; returns how many came in stretches. */
const covered = (results: ReadonlyArray<Piece.Result>): number => {
  let next = 1
  let inStretches = 0
  for (const result of results) {
    assert.isTrue(result.isWhole)
    for (const item of result.items) {
      if (item._tag === "stretch") {
        assert.strictEqual(item.stretch.from, next)
        next += item.stretch.count
        inStretches += item.stretch.count
      } else if (/^\{"(e|data)"/.test(item.text)) next++
    }
  }
  assert.strictEqual(next, log.leaves.length)
  return inStretches
}

const isControl = (leaf: string) => leaf.includes('"source":"recorder"')
const ordinary = log.leaves.filter((leaf) => !isControl(leaf)).length

const scanAll = (scanner: Piece.Scanner, count: number): ReadonlyArray<Piece.Result> => {
  try {
    return Array.from({ length: count }, (_, index) => scanner.scan(index))
  } finally {
    scanner.close()
  }
}

describe("BundlePieces", () => {
  for (const pieceBytes of [64, 700, 4096, 1_000_000]) {
    it.scoped(`pieces of ${pieceBytes} bytes hold every line once, and all ordinary entries in stretches`, () =>
      Effect.map(temporaryDirectory, (directory) => {
        const path = Path.join(directory, "bundle.json")
        const text = Logs.bundleText(log)
        Fs.writeFileSync(path, text)
        const start = Buffer.byteLength(text.split("\n").slice(0, 3).join("\n")) + 1
        const size = Buffer.byteLength(text)
        const job = { path, start, pieceBytes, maxLineBytes: Bundle.maxLineBytes, claimedSizes: [] }
        const count = Math.ceil((size - start) / pieceBytes)
        const results = scanAll(new BundlePieces({ _tag: "bundle", ...job }), count)
        assert.strictEqual(covered(results), ordinary)
        const found = results.filter(({ first }) => first !== undefined)
        let at = start
        for (const { end, first } of found) {
          assert.strictEqual(first, at)
          at = end
        }
        assert.strictEqual(at, size)
      })
    )
  }
})

describe("DatabasePieces", () => {
  for (const pieceEntries of [1, 7, 100, 10_000]) {
    it.scoped(`pieces of ${pieceEntries} entries hold every row once, and all ordinary entries in stretches`, () =>
      Effect.map(temporaryDirectory, (directory) => {
        const path = Path.join(directory, "audit.db")
        Logs.writeDatabase(path, log)
        const end = log.leaves.length
        const job = { path, start: 1, end, pieceEntries, claimedSizes: [250] }
        const results = scanAll(new DatabasePieces({ _tag: "database", ...job }), Math.ceil((end - 1) / pieceEntries))
        assert.strictEqual(covered(results), ordinary)
        const ends = results.flatMap(({ items }) =>
          items.flatMap((item) => (item._tag === "stretch" ? [item.stretch.from + item.stretch.count] : []))
        )
        for (const { size } of log.notes.slice(1, -1)) {
          assert.isTrue(ends.includes(size) || isControl(log.leaves[size - 1]!), String(size))
        }
        assert.include(ends, 250)
      })
    )
  }
})

describe("PiecePool", () => {
  it.scoped("threads answer what a scanner in this one does, and end when the pool is closed", () =>
    Effect.flatMap(temporaryDirectory, (directory) =>
      Effect.promise(async () => {
        const path = Path.join(directory, "audit.db")
        Logs.writeDatabase(path, log)
        const job: Piece.Job = {
          _tag: "database",
          path,
          start: 1,
          end: log.leaves.length,
          pieceEntries: 100,
          claimedSizes: []
        }
        const here = scanAll(new DatabasePieces(job), 5)
        const pool = PiecePool.open(job, 2)
        try {
          assert.deepStrictEqual(await Promise.all([0, 1, 2, 3, 4].map((index) => pool.run(index))), here)
        } finally {
          await pool.close()
        }
      })
    )
  )

  it("a thread that cannot open its file fails each question and not the process", async () => {
    const pool = PiecePool.open(
      { _tag: "bundle", path: "/nowhere", start: 1, pieceBytes: 10, maxLineBytes: 100, claimedSizes: [] },
      1
    )
    const joined: Array<Piece.Result> = []
    const join = async (result: Piece.Result) => joined.push(result) > 0
    await PiecePool.joinAll(pool, 3, 1, () => Promise.resolve(), join)
    await pool.close()
    assert.deepStrictEqual(joined, [])
  })
})

describe("SignaturesAhead", () => {
  it("a signature that was verified ahead is valid, and a bad one stays bad", async () => {
    const { pair, vkey } = log.epochs[0]!
    const message = Buffer.from("message")
    const signature = Ed25519.sign(pair.privateKey, message)
    const bad = Uint8Array.from(signature, (byte, at) => (at === 3 ? byte ^ 1 : byte))
    await Ed25519.verifyAhead(vkey.publicKey, message, signature)
    await Ed25519.verifyAhead(vkey.publicKey, message, bad)
    await Ed25519.verifyAhead(vkey.publicKey, message, new Uint8Array(3))
    await Ed25519.verifyAhead(new Uint8Array(32), message, signature)
    assert.isFalse(Ed25519.verify(vkey.publicKey, message, bad))
    assert.isFalse(Ed25519.verify(vkey.publicKey, Buffer.from("other"), signature))
    assert.isTrue(Ed25519.verify(vkey.publicKey, message, signature))
    assert.isTrue(Ed25519.verify(vkey.publicKey, message, signature))
  })

  it("takes any line without throwing", () => {
    const ahead = new SignaturesAhead([])
    for (const line of [...Logs.bundleRecords(log), '{"c":', '{"c":7}', '{"c":"x"},', '{"e":"type":"log.key"}},', ""]) {
      assert.instanceOf(ahead.line(line), Promise)
    }
  })
})
