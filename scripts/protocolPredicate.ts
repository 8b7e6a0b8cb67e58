/**
 * Writes src/domain/ProtocolPredicate.ts from the AST of the protocol's Schema: straight-line code, which costs a
 * fraction of what closures cost, and no `eval` at run time. usage: npx tsx scripts/protocolPredicate.ts
 *
 * A test compares the file with what this makes.
 *
 * @module
 */
import * as Option from "effect/Option"
import * as AST from "effect/SchemaAST"
import { spawnSync } from "node:child_process"
import * as Fs from "node:fs"
import { fileURLToPath } from "node:url"
import { literals, Plain, tagOf } from "../src/domain/ProtocolReason.ts"
import { Event } from "../src/domain/ProtocolSchema.ts"

/** The expression that is true when the variable holds what it should. */
type Expression = (variable: string) => string

const header = `/**
 * Whether a value is an event, as straight-line code. Generated from ProtocolSchema.ts by scripts/protocolPredicate.ts:
 * change that, and run it.
 *
 * @module
 */
import * as Forms from "./ProtocolSchema.ts"

interface Members {
  readonly [name: string]: unknown
}

const isMembers = (value: unknown): value is Members =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const isInteger = (value: unknown, min: number, max: number): boolean =>
  typeof value === "number" && value >= min && value <= max && Number.isInteger(value) && !Object.is(value, -0)

/** What a member that may be absent counts. */
const one = (member: unknown): number => (member === undefined ? 0 : 1)

/** Whether it has so many members, and so none but those that were looked at. */
const hasMembers = (value: Members, count: number): boolean => {
  let left = count
  for (const _ in value) left--
  return left === 0
}
`

/** Forms that are sooner decided when it is known that there are no lone surrogates. */
const asksForSound = new Set(["isWellFormed", "isName"])

const functions: Array<string> = []
/** What calls the function of an AST, with `value` in place of the variable. */
const calls = new Map<AST.AST, Expression>()
const taken = new Set<string>()

/** Makes a function of the statements, once for each AST; the expression that calls it. */
const define = (ast: AST.AST, hint: string, body: () => ReadonlyArray<string>): Expression => {
  const known = calls.get(ast)
  if (known !== undefined) return known
  const name = `is${hint}`
  if (taken.has(name)) throw new TypeError(`two functions ${name}`)
  taken.add(name)
  const statements = body().join("\n")
  const asks = statements.includes("sound")
  functions.push(`const ${name} = (value: unknown${asks ? ", sound: boolean" : ""}): boolean => {\n${statements}\n}\n`)
  const call: Expression = (variable) => `${name}(${variable}${asks ? ", sound" : ""})`
  calls.set(ast, call)
  return call
}

const refinement = (ast: AST.Refinement): Expression => {
  const range = Option.getOrUndefined(AST.getJSONSchemaAnnotation(ast))
  if (range !== undefined && "minimum" in range && "maximum" in range) {
    return (variable) => `isInteger(${variable}, ${Number(range.minimum)}, ${Number(range.maximum)})`
  }
  const plain = ast.annotations[Plain]
  if (typeof plain !== "function" || !AST.isStringKeyword(ast.from)) throw new TypeError("a refinement of another kind")
  const more = asksForSound.has(plain.name) ? ", sound" : ""
  return (variable) => `typeof ${variable} === "string" && Forms.${plain.name}(${variable}${more})`
}

const capital = (name: string): string =>
  name.replace(/(?:^|[^A-Za-z0-9]+)([A-Za-z0-9])/g, (_, first) => first.toUpperCase())

const struct = (ast: AST.TypeLiteral, hint: string): Expression =>
  define(ast, hint, () => {
    const members = ast.propertySignatures.map((signature) => {
      const name = String(signature.name)
      return { name, isOptional: signature.isOptional, holds: expression(signature.type, `${hint}${capital(name)}`) }
    })
    const required = members.filter(({ isOptional }) => !isOptional)
    const optional = members.filter(({ isOptional }) => isOptional)
    const counted = [String(required.length), ...optional.map(({ name }) => `one(${name})`)]
    const conditions = [
      ...required.map(({ holds, name }) => `(${holds(name)})`),
      ...optional.map(({ holds, name }) => `(${name} === undefined || (${holds(name)}))`),
      `hasMembers(value, ${counted.join(" + ")})`
    ]
    return [
      "if (!isMembers(value)) return false",
      `const { ${members.map(({ name }) => name).join(", ")} } = value`,
      `return (${conditions.join(" && ")})`
    ]
  })

const array = (ast: AST.TupleType): Expression => {
  const rest = ast.rest[0]
  if (ast.elements.length > 0 || !rest) throw new TypeError("only plain arrays")
  const isText = AST.isUnion(rest.type)
  return define(ast, isText ? "Texts" : "Strings", () => [
    "if (!Array.isArray(value)) return false",
    "for (let at = 0; at < value.length; at++) {",
    "const item: unknown = value[at]",
    `if (!(${expression(rest.type, "Item")("item")})) return false`,
    "}",
    "return true"
  ])
}

const union = (ast: AST.Union, hint: string): Expression => {
  const strings = literals(ast)
  if (strings.length > 0) return (variable) => strings.map((text) => `${variable} === "${text}"`).join(" || ")
  const structs = ast.types.filter(AST.isTypeLiteral)
  const tag = structs.length === ast.types.length ? tagOf(structs) : undefined
  if (tag === undefined) {
    const each = ast.types.map((type) => expression(type, "Base64"))
    return define(ast, "Text", () => [`return ${each.map((holds) => `(${holds("value")})`).join(" || ")}`])
  }
  return define(ast, hint, () => {
    const cases = structs.flatMap((type) => {
      const signature = type.propertySignatures.find(({ name }) => name === tag)
      const tags = signature ? literals(signature.type) : []
      const call = expression(type, `${hint}${tags[0] ?? ""}`)("value")
      return [...tags.map((text) => `case "${text}":`), `return ${call}`]
    })
    return [
      "if (!isMembers(value)) return false",
      `switch (value["${tag}"]) {`,
      ...cases,
      "default:",
      "return false",
      "}"
    ]
  })
}

const expression = (ast: AST.AST, hint: string): Expression => {
  if (AST.isRefinement(ast)) return refinement(ast)
  if (AST.isLiteral(ast)) return (variable) => `${variable} === ${JSON.stringify(ast.literal)}`
  if (AST.isTupleType(ast)) return array(ast)
  if (AST.isTypeLiteral(ast)) return struct(ast, hint)
  if (AST.isUnion(ast)) return union(ast, hint)
  throw new TypeError(`a Schema with ${ast._tag}`)
}

const call = expression(Event.ast, "Event")("value")

/** The file, but for its white space. */
export const source = `${header}
${functions.join("\n")}
/**
 * Says exactly what the Schema says, much sooner.
 *
 * @param sound whether no string in it can have a lone surrogate
 */
export const test = (value: unknown, sound: boolean): value is Forms.Event => ${call}
`

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const file = fileURLToPath(new URL("../src/domain/ProtocolPredicate.ts", import.meta.url))
  Fs.writeFileSync(file, source)
  const formatted = spawnSync("npx", ["oxfmt", file], { stdio: "inherit" })
  process.exitCode = formatted.status ?? 1
}
