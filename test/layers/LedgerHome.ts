/** A home with a ledger, for tests: appends, the rows that result, and the verifier over them. */
import Database from "better-sqlite3"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import * as Ed25519 from "../../src/domain/Ed25519.ts"
import * as TlogPolicy from "../../src/domain/TlogPolicy.ts"
import type * as Verdict from "../../src/domain/Verdict.ts"
import { Verifier } from "../../src/domain/Verifier.ts"
import * as VerifyOptions from "../../src/domain/VerifyOptions.ts"
import * as Vkey from "../../src/domain/Vkey.ts"
import * as LedgerSqlite from "../../src/layers/LedgerSqlite.ts"
import * as SignerMemory from "../../src/layers/SignerMemory.ts"
import { Ledger, type LedgerReader } from "../../src/services/Ledger.ts"
import type { Signer } from "../../src/services/Signer.ts"

export interface Home {
  readonly directory: string
  readonly path: string
  readonly keysDirectory: string
  readonly key: string
  readonly nextKey: string
}

export const homeAt = (directory: string): Home => {
  const keysDirectory = Path.join(directory, "keys")
  return {
    directory,
    path: Path.join(directory, "ledger.db"),
    keysDirectory,
    key: Path.join(keysDirectory, "ledger.key"),
    nextKey: Path.join(keysDirectory, "ledger.key.next")
  }
}

/** An empty home that goes away with the scope. */
export const make: Effect.Effect<Home, never, Scope.Scope> = Effect.map(
  Effect.acquireRelease(
    Effect.sync(() => Fs.mkdtempSync(Path.join(Os.tmpdir(), "agentops-ledger-"))),
    (directory) => Effect.sync(() => Fs.rmSync(directory, { recursive: true }))
  ),
  homeAt
)

/** The host of every test that names no other one. */
export const host = SignerMemory.fromPair(Ed25519.fromSeed(Buffer.alloc(32, 7)), "agent.example")

const signerOf = (seed: number): Layer.Layer<Signer> => SignerMemory.fromSeed(Buffer.alloc(32, seed), "agent.example")

/** Runs with a ledger layer of its own, as one `agent` command would. */
export const command = <A, E>(
  home: Home,
  body: Effect.Effect<A, E, Ledger | Signer>,
  signer: Layer.Layer<Signer> = signerOf(7)
): Effect.Effect<A, E> => {
  const { keysDirectory, path } = home
  const ledger = LedgerSqlite.layer({ path, keysDirectory, tool: "agentops/test" })
  return Effect.provide(body, Layer.provideMerge(ledger, signer))
}

export const withSeed = signerOf

/** What a program does that only asks. */
export const ask = <A, E>(home: Home, body: Effect.Effect<A, E, LedgerReader>): Effect.Effect<A, E> =>
  Effect.provide(body, LedgerSqlite.readerLayer(home.path))

export const rootOf = (n: number): string => Buffer.alloc(32, n).toString("base64")

/** A run of the host, with a key of epoch 0. */
export const run = (id: string) => {
  const origin = `${host.ledgerOrigin}/${id}`
  return { origin, key: Vkey.make(origin, 1, Ed25519.generate().publicKey).text, root: rootOf(1) }
}

/** A whole run in the ledger: three entries, and the log.key. */
export const record = (id: string) =>
  Effect.gen(function* () {
    const ledger = yield* Ledger
    const opening = run(id)
    yield* ledger.open(opening)
    yield* ledger.point({ origin: opening.origin, size: 5, root: rootOf(5) })
    return yield* ledger.close({ origin: opening.origin, size: 9, root: rootOf(9), state: "closed" })
  })

const reading = <A>(home: Home, read: (database: Database.Database) => A): A => {
  const database = new Database(home.path, { readonly: true })
  try {
    return read(database)
  } finally {
    database.close()
  }
}

export const leaves = (home: Home): ReadonlyArray<string> =>
  reading(home, (database) =>
    database
      .prepare<[], { readonly leaf: string }>("SELECT leaf FROM entries ORDER BY seq")
      .all()
      .map(({ leaf }) => leaf)
  )

export interface StoredTile {
  readonly level: number
  readonly n: number
  readonly data: Buffer
}

export const tiles = (home: Home): ReadonlyArray<StoredTile> =>
  reading(home, (database) =>
    database.prepare<[], StoredTile>("SELECT level, n, data FROM tiles ORDER BY level, n").all()
  )

/** `type` of each entry. */
export const types = (home: Home): ReadonlyArray<string> =>
  leaves(home).map((leaf) => /"type":"([^"]+)"\}$/.exec(leaf)?.[1] ?? "")

export interface StoredNote {
  readonly size: number
  readonly epoch: number
  readonly note: string
}

export const notes = (home: Home): ReadonlyArray<StoredNote> =>
  reading(home, (database) =>
    database.prepare<[], StoredNote>("SELECT size, epoch, note FROM checkpoints ORDER BY size").all()
  )

/** Changes the file behind the ledger's back. */
export const tamper = (home: Home, ...statements: ReadonlyArray<string>): void => {
  const database = new Database(home.path)
  try {
    for (const statement of statements) database.exec(statement)
  } finally {
    database.close()
  }
}

/** The verdict of the one verifier on the whole ledger, for a reader who trusts this host key. */
export const verify = (home: Home, vkey = host.host): Effect.Effect<Verdict.Report> =>
  Effect.promise(async () => {
    const policy = Either.getOrThrow(TlogPolicy.parse(vkey.text))
    const verifier = new Verifier(vkey.name, { ...VerifyOptions.nothing, policy })
    const bySize = new Map(notes(home).map((row) => [row.size, row.note]))
    for (const [seq, leaf] of leaves(home).entries()) {
      verifier.entry(leaf)
      const note = bySize.get(seq + 1)
      if (note !== undefined) verifier.checkpoint(note, { timestamps: [], witnesses: [] })
    }
    return verifier.finish()
  })
