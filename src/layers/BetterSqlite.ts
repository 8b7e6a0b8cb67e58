/**
 * better-sqlite3, made safe on Node 24.16 and later. Import it from here and not from the package.
 *
 * From that version on, Node's ObjectWrap asks for the environment when an object is collected, and aborts the process
 * when the collection comes at a moment without one. better-sqlite3 12 is built on ObjectWrap; version 13 is not, but does
 * not run on Node 20. So on those versions of Node its objects are kept from collection: a database, a statement or an
 * iterator costs a few hundred bytes for the life of its thread, and what SQLite itself holds is freed at `close` as ever.
 *
 * @module
 */
import Database from "better-sqlite3"

/** Objects that must not be collected. One list per thread, only ever added to. */
const kept = new Set<object>()

const keep = (value: unknown): void => {
  if (typeof value === "object" && value !== null) kept.add(value)
}

/** Makes a method of native objects keep its receiver and its result. */
const keepAround = (prototype: object, method: string): void => {
  const original: unknown = Reflect.get(prototype, method)
  if (typeof original !== "function") return
  Reflect.set(prototype, method, function (this: unknown, ...args: ReadonlyArray<unknown>): unknown {
    const result: unknown = Reflect.apply(original, this, args)
    keep(this)
    keep(result)
    return result
  })
}

/** The native half of a database is behind its only symbol. */
const nativeOf = (database: Database.Database): object | undefined => {
  const [symbol] = Object.getOwnPropertySymbols(database)
  const native: unknown = symbol === undefined ? undefined : Reflect.get(database, symbol)
  return typeof native === "object" && native !== null ? native : undefined
}

const keepAll = (): void => {
  const database = new Database(":memory:")
  const statement = database.prepare("SELECT 1")
  const native = nativeOf(database)
  keep(native)
  keep(statement)
  for (const method of ["prepare", "exec", "close"]) {
    if (native !== undefined) keepAround(Reflect.getPrototypeOf(native) ?? {}, method)
  }
  keepAround(Reflect.getPrototypeOf(statement) ?? {}, "iterate")
  database.close()
}

if (Number(process.versions.node.split(".", 1)[0]) >= 24) keepAll()

export default Database
