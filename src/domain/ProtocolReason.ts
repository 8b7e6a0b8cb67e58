/**
 * Why a value is not what a Schema describes: one line for the few values that are wrong. Compiled from the Schema's
 * AST; quotes no value, and recurses along the Schema, never along the value: nesting cannot exhaust the stack.
 *
 * @module
 */
import * as Option from "effect/Option"
import type * as Schema from "effect/Schema"
import * as AST from "effect/SchemaAST"

/** Annotation of a refinement: the predicate by itself, without Schema's own wrapping. */
export const Plain: unique symbol = Symbol.for("agentops/ProtocolReason/Plain")

/** Longest foreign member name that a reason quotes, in UTF-16 units. */
const maxQuotedUnits = 40

/** What is wrong with a value at a path, or undefined. */
type Explain = (value: unknown, path: string) => string | undefined

interface Members {
  readonly [name: string]: unknown
}

const isMembers = (value: unknown): value is Members =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const say = (path: string, reason: string): string => (path === "" ? reason : `${path}: ${reason}`)
const at = (path: string, name: string): string => (path === "" ? name : `${path}.${name}`)
const quote = (name: string): string =>
  JSON.stringify(name.length > maxQuotedUnits ? `${name.slice(0, maxQuotedUnits)}...` : name)

const unless =
  (holds: (value: unknown) => boolean, wanted: string): Explain =>
  (value, path) =>
    holds(value) ? undefined : say(path, `not ${wanted}`)

const refinement = (ast: AST.Refinement): Explain => {
  const from = compileAst(ast.from)
  const plain = ast.annotations[Plain]
  if (typeof plain !== "function") throw new TypeError("only refinements with a plain predicate are compiled")
  const wanted = Option.getOrElse(AST.getDescriptionAnnotation(ast), () => "a value that is allowed")
  return unless((value) => from(value, "") === undefined && plain(value) === true, wanted)
}

const array = (ast: AST.TupleType): Explain => {
  const rest = ast.rest[0]
  if (ast.elements.length > 0 || ast.rest.length !== 1 || !rest) throw new TypeError("only plain arrays are compiled")
  const item = compileAst(rest.type)
  return (value, path) => {
    if (!Array.isArray(value)) return say(path, "not an array")
    for (let index = 0; index < value.length; index++) {
      const wrong = item(value[index], `${path}[${index}]`)
      if (wrong !== undefined) return wrong
    }
    return undefined
  }
}

const struct = (ast: AST.TypeLiteral): Explain => {
  if (ast.indexSignatures.length > 0) throw new TypeError("only structs are compiled")
  const members = ast.propertySignatures.map((signature) => ({
    name: String(signature.name),
    isOptional: signature.isOptional,
    explain: compileAst(signature.type)
  }))
  const known = new Set(members.map(({ name }) => name))
  return (value, path) => {
    if (!isMembers(value)) return say(path, "not an object")
    for (const { name, isOptional, explain } of members) {
      if (Object.hasOwn(value, name)) {
        const wrong = explain(value[name], at(path, name))
        if (wrong !== undefined) return wrong
      } else if (!isOptional) return say(at(path, name), "missing")
    }
    for (const name in value) if (!known.has(name)) return say(path, `unknown member ${quote(name)}`)
    return undefined
  }
}

/** The strings that a value may be, when the AST is made of them alone. */
export const literals = (ast: AST.AST): ReadonlyArray<string> => {
  if (AST.isLiteral(ast)) return typeof ast.literal === "string" ? [ast.literal] : []
  if (!AST.isUnion(ast)) return []
  const each = ast.types.map(literals)
  return each.every(({ length }) => length === 1) ? each.flat() : []
}

const literalsOf = (ast: AST.TypeLiteral, name: PropertyKey): ReadonlyArray<string> => {
  const signature = ast.propertySignatures.find((signature) => signature.name === name && !signature.isOptional)
  return signature ? literals(signature.type) : []
}

/** The member that tells which of the structs a value is. */
export const tagOf = (structs: ReadonlyArray<AST.TypeLiteral>): string | undefined => {
  const tells = (name: PropertyKey) => {
    const all = structs.map((ast) => literalsOf(ast, name))
    return all.every(({ length }) => length > 0) && new Set(all.flat()).size === all.flat().length
  }
  const tag = structs[0]?.propertySignatures.find(({ name }) => tells(name))?.name
  return typeof tag === "string" ? tag : undefined
}

const tagged = (structs: ReadonlyArray<AST.TypeLiteral>, tag: string): Explain => {
  const cases = new Map<unknown, Explain>()
  for (const ast of structs) {
    const explain = struct(ast)
    for (const literal of literalsOf(ast, tag)) cases.set(literal, explain)
  }
  const wanted = `none of ${[...cases.keys()].join(", ")}`
  return (value, path) => {
    if (!isMembers(value)) return say(path, "not an object")
    if (!Object.hasOwn(value, tag)) return say(at(path, tag), "missing")
    const explain = cases.get(value[tag])
    return explain ? explain(value, path) : say(at(path, tag), wanted)
  }
}

const union = (ast: AST.Union): Explain => {
  const strings = literals(ast)
  if (strings.length > 0) {
    const known = new Set<unknown>(strings)
    return unless((value) => known.has(value), `one of ${strings.join(", ")}`)
  }
  const structs = ast.types.filter(AST.isTypeLiteral)
  const tag = structs.length === ast.types.length ? tagOf(structs) : undefined
  if (tag !== undefined) return tagged(structs, tag)
  const [first, ...others] = ast.types.map(compileAst)
  if (!first) throw new TypeError("an empty union")
  // An object is meant as the alternative that is an object, which stands last.
  return (value, path) => {
    const isOne = [first, ...others].some((explain) => explain(value, path) === undefined)
    return isOne ? undefined : (isMembers(value) ? (others.at(-1) ?? first) : first)(value, path)
  }
}

const compileAst = (ast: AST.AST): Explain => {
  switch (ast._tag) {
    case "StringKeyword":
      return unless((value) => typeof value === "string", "a string")
    case "NumberKeyword":
      return unless((value) => typeof value === "number", "a number")
    case "Literal":
      return unless((value) => value === ast.literal, JSON.stringify(ast.literal))
    case "Refinement":
      return refinement(ast)
    case "TupleType":
      return array(ast)
    case "TypeLiteral":
      return struct(ast)
    case "Union":
      return union(ast)
    default:
      throw new TypeError(`a Schema with ${ast._tag} is not compiled`)
  }
}

/**
 * What is wrong with a value, such as `payload.pid: missing`; undefined when nothing is. Takes Schemas of literals,
 * strings, numbers, refinements, arrays, structs and unions without transformations; members that a struct does not
 * list are wrong.
 *
 * @throws TypeError for other Schemas
 */
export const compile = <A>(schema: Schema.Schema<A>): ((value: unknown) => string | undefined) => {
  const explain = compileAst(schema.ast)
  return (value) => explain(value, "")
}
