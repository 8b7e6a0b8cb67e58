/**
 * Predicates compiled from a Schema's AST: a decision without allocation for the many values that are right, and a
 * reason, in one line, for the few that are not. It neither transforms nor collects errors, and recurses along the
 * Schema, never along the value: nesting cannot exhaust the stack.
 *
 * @module
 */
import * as Option from "effect/Option"
import type * as Schema from "effect/Schema"
import * as AST from "effect/SchemaAST"

/** Annotation of a refinement: the predicate by itself, without Schema's own wrapping. */
export const Plain: unique symbol = Symbol.for("agentops/ProtocolGuard/Plain")

/** Longest foreign member name that a reason quotes, in UTF-16 units. */
const maxQuotedUnits = 40

type Test = (value: unknown) => boolean
/** What is wrong with a value at a path, or undefined. */
type Explain = (value: unknown, path: string) => string | undefined

interface Compiled {
  readonly test: Test
  readonly explain: Explain
}

/** A compiled Schema. */
export interface Guard<A> {
  readonly test: (value: unknown) => value is A
  /** What is wrong, such as `payload.pid: missing`; undefined when nothing is. Quotes no value. */
  readonly explain: (value: unknown) => string | undefined
}

interface Members {
  readonly [name: string]: unknown
}

const isMembers = (value: unknown): value is Members =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const say = (path: string, reason: string): string => (path === "" ? reason : `${path}: ${reason}`)
const at = (path: string, name: string): string => (path === "" ? name : `${path}.${name}`)
const quote = (name: string): string =>
  JSON.stringify(name.length > maxQuotedUnits ? `${name.slice(0, maxQuotedUnits)}...` : name)

const simple = (test: Test, wanted: string): Compiled => ({
  test,
  explain: (value, path) => (test(value) ? undefined : say(path, `not ${wanted}`))
})

const refinement = (ast: AST.Refinement): Compiled => {
  const from = compileAst(ast.from)
  const plain = ast.annotations[Plain]
  const holds: Test =
    typeof plain === "function"
      ? (value) => plain(value) === true
      : (value) => Option.isNone(ast.filter(value, AST.defaultParseOption, ast))
  const wanted = Option.getOrElse(AST.getDescriptionAnnotation(ast), () => "a value that is allowed")
  return simple((value) => from.test(value) && holds(value), wanted)
}

const array = (ast: AST.TupleType): Compiled => {
  const rest = ast.rest[0]
  if (ast.elements.length > 0 || ast.rest.length !== 1 || !rest) throw new TypeError("only plain arrays are compiled")
  const item = compileAst(rest.type)
  return {
    test: (value) => {
      if (!Array.isArray(value)) return false
      for (let index = 0; index < value.length; index++) if (!item.test(value[index])) return false
      return true
    },
    explain: (value, path) => {
      if (!Array.isArray(value)) return say(path, "not an array")
      for (let index = 0; index < value.length; index++) {
        const wrong = item.explain(value[index], `${path}[${index}]`)
        if (wrong !== undefined) return wrong
      }
      return undefined
    }
  }
}

const struct = (ast: AST.TypeLiteral): Compiled => {
  if (ast.indexSignatures.length > 0) throw new TypeError("only structs are compiled")
  const members = ast.propertySignatures.map((signature) => ({
    name: String(signature.name),
    required: !signature.isOptional,
    ...compileAst(signature.type)
  }))
  const names = members.map(({ name }) => name)
  const indexes = new Map(names.map((name, index) => [name, index]))
  const requiredCount = members.filter(({ required }) => required).length
  return {
    test: (value) => {
      if (!isMembers(value)) return false
      let missing = requiredCount
      let next = 0
      for (const name in value) {
        // Most senders keep the order of the Schema.
        while (next < names.length && names[next] !== name) next++
        const index = next < names.length ? next++ : indexes.get(name)
        const member = index === undefined ? undefined : members[index]
        if (member === undefined || !member.test(value[name])) return false
        if (member.required) missing--
      }
      return missing === 0
    },
    explain: (value, path) => {
      if (!isMembers(value)) return say(path, "not an object")
      for (const { name, required, explain } of members) {
        if (Object.hasOwn(value, name)) {
          const wrong = explain(value[name], at(path, name))
          if (wrong !== undefined) return wrong
        } else if (required) return say(at(path, name), "missing")
      }
      for (const name in value) if (!indexes.has(name)) return say(path, `unknown member ${quote(name)}`)
      return undefined
    }
  }
}

/** The strings that a member of a struct may be, when it is made of literals. */
const literals = (ast: AST.AST): ReadonlyArray<string> => {
  if (AST.isLiteral(ast)) return typeof ast.literal === "string" ? [ast.literal] : []
  if (!AST.isUnion(ast)) return []
  const each = ast.types.map(literals)
  return each.every(({ length }) => length === 1) ? each.flat() : []
}

/** Structs of which one member tells which it is. */
const tagged = (structs: ReadonlyArray<AST.TypeLiteral>): Compiled | undefined => {
  const isTag = (name: PropertyKey) => {
    const all = structs.map(({ propertySignatures }) => {
      const signature = propertySignatures.find((signature) => signature.name === name && !signature.isOptional)
      return signature ? literals(signature.type) : []
    })
    return all.every(({ length }) => length > 0) && new Set(all.flat()).size === all.flat().length
  }
  const tag = structs[0]?.propertySignatures.find(({ name }) => isTag(name))?.name
  if (typeof tag !== "string") return undefined
  const cases = new Map<unknown, Compiled>()
  for (const ast of structs) {
    const compiled = struct(ast)
    for (const signature of ast.propertySignatures)
      if (signature.name === tag) for (const literal of literals(signature.type)) cases.set(literal, compiled)
  }
  const wanted = `none of ${[...cases.keys()].join(", ")}`
  return {
    test: (value) => isMembers(value) && cases.get(value[tag])?.test(value) === true,
    explain: (value, path) => {
      if (!isMembers(value)) return say(path, "not an object")
      if (!Object.hasOwn(value, tag)) return say(at(path, tag), "missing")
      const found = cases.get(value[tag])
      return found ? found.explain(value, path) : say(at(path, tag), wanted)
    }
  }
}

const union = (ast: AST.Union): Compiled => {
  const strings = literals(ast)
  if (strings.length > 0) {
    const known = new Set<unknown>(strings)
    return simple((value) => known.has(value), `one of ${strings.join(", ")}`)
  }
  const structs = ast.types.filter(AST.isTypeLiteral)
  const byTag = structs.length === ast.types.length ? tagged(structs) : undefined
  if (byTag) return byTag
  const [first, ...others] = ast.types.map(compileAst)
  if (!first) throw new TypeError("an empty union")
  return {
    test: (value) => first.test(value) || others.some(({ test }) => test(value)),
    // An object is meant as the alternative that is an object.
    explain: (value, path) => {
      if (first.test(value) || others.some(({ test }) => test(value))) return undefined
      return (isMembers(value) ? (others.at(-1) ?? first) : first).explain(value, path)
    }
  }
}

const compileAst = (ast: AST.AST): Compiled => {
  switch (ast._tag) {
    case "StringKeyword":
      return simple((value) => typeof value === "string", "a string")
    case "NumberKeyword":
      return simple((value) => typeof value === "number", "a number")
    case "Literal":
      return simple((value) => value === ast.literal, JSON.stringify(ast.literal))
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
 * Compiles a Schema of literals, strings, numbers, refinements, arrays, structs and unions without transformations.
 * Members that a struct does not list are refused.
 *
 * @throws TypeError for other Schemas
 */
export const compile = <A>(schema: Schema.Schema<A>): Guard<A> => {
  const compiled = compileAst(schema.ast)
  return {
    test: (value): value is A => compiled.test(value),
    explain: (value) => compiled.explain(value, "")
  }
}
