import * as Nearest from "@bottle/egress/Nearest"
import * as Option from "effect/Option"
import type * as ParseResult from "effect/ParseResult"
import * as AST from "effect/SchemaAST"
import { type Expected, expectedBy } from "./expected.js"
import { printable } from "./printable.js"
import type { Refusal } from "./syntax.js"

/** What a schema refused: where, and why. */
export interface Explained {
  readonly path: ReadonlyArray<string | number>
  readonly refusal: Refusal
}

// What people write who know docker and compose, the key by another name, or the flag: the first that is a key here.
const otherKeys: Readonly<Record<string, ReadonlyArray<string>>> = {
  memory: ["mem", "limits"],
  mem: ["limits"],
  cpu: ["cpus", "limits"],
  cpus: ["limits"],
  volumes: ["mounts"],
  volume: ["mounts"],
  environment: ["env"],
  source: ["host"],
  target: ["guest"],
  from: ["pack"],
  working_dir: ["workdir"],
  cwd: ["workdir"],
  resources: ["limits"],
  name: ["bottle"],
  network: ["policy"],
  egress: ["policy"],
  allow: ["policy"],
  deny: ["policy"],
  box: ["bottle"],
  boxes: ["bottles"]
}

const isObject = (value: unknown): value is object =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const nameOf = (value: unknown): string => {
  if (value === null) return "null"
  if (Array.isArray(value)) return "a list"
  if (isObject(value)) return "an object"
  return typeof value === "string" ? "a text" : typeof value === "number" ? "a number" : String(value)
}

/** The schema itself, without what was refined or put off. */
const unrefined = (ast: AST.AST): AST.AST =>
  ast._tag === "Refinement" ? unrefined(ast.from) : ast._tag === "Suspend" ? unrefined(ast.f()) : ast

const keysOf = (ast: AST.AST): ReadonlyArray<string> => {
  const bare = unrefined(ast)
  if (bare._tag === "TypeLiteral") return bare.propertySignatures.map(({ name }) => String(name))
  return bare._tag === "Union" ? bare.types.flatMap(keysOf) : []
}

/** The kind of value that a schema is for, as `nameOf` says it. */
const kindsOf = (ast: AST.AST): ReadonlyArray<string> => {
  const bare = unrefined(ast)
  switch (bare._tag) {
    case "StringKeyword":
      return ["a text"]
    case "NumberKeyword":
      return ["a number"]
    case "BooleanKeyword":
      return ["true or false"]
    case "TupleType":
      return ["a list"]
    case "TypeLiteral":
      return ["an object"]
    case "Literal":
      return [typeof bare.literal === "string" ? "a text" : String(bare.literal)]
    case "Union":
      return [...new Set(bare.types.flatMap(kindsOf))]
    default:
      return ["something else"]
  }
}

const literalsOf = (ast: AST.AST): ReadonlyArray<string> => {
  const bare = unrefined(ast)
  if (bare._tag === "Literal") return typeof bare.literal === "string" ? [bare.literal] : []
  return bare._tag === "Union" ? bare.types.flatMap(literalsOf) : []
}

const article = (text: string): string => text.split(" or ").slice(0, 1).join("")

const wrongValue = (actual: unknown, ast: AST.AST): Refusal => {
  const literals = literalsOf(ast)
  if (typeof actual === "string" && literals.length > 0) {
    const near = Nearest.nearest(actual.toLowerCase(), literals)
    const choices = literals.map((literal) => `"${literal}"`).join(" or ")
    const detail = `"${printable(actual, 64)}" is not ${choices}`
    return { reason: "value", detail, advice: near === undefined ? `Write ${choices}` : `Write "${near}"` }
  }
  const wanted = kindsOf(ast).join(" or ")
  const isConstant = typeof actual === "number" && kindsOf(ast).every((kind) => /^[0-9]+$/.test(kind))
  const shown = isConstant ? String(actual) : nameOf(actual)
  return { reason: "type", detail: `it is ${shown}, and not ${wanted}`, advice: `Write ${article(wanted)} there` }
}

const outOfBounds = (actual: unknown, { example, what }: Expected): Refusal => {
  // The text may be the value of a variable, or of a credential; what is no text is told by its kind.
  const shown = actual === "" ? "empty" : typeof actual === "number" ? String(actual) : undefined
  return {
    reason: "value",
    detail: shown === undefined ? `it is not ${what}` : `it is ${shown}, and not ${what}`,
    advice: `Write for example ${example}`
  }
}

const unknownKey = (key: string, within: AST.AST): Refusal => {
  const keys = keysOf(within)
  const others = Object.hasOwn(otherKeys, key) ? otherKeys[key] : undefined
  const near = others?.find((other) => keys.includes(other)) ?? Nearest.nearest(key.toLowerCase(), keys)
  const advice = near === undefined ? `Its keys are ${keys.join(", ")}` : `Write "${near}"`
  return { reason: "key-unknown", detail: `the key "${printable(key, 64)}" is not known here`, advice }
}

const asPath = (path: ParseResult.Path): ReadonlyArray<string | number> =>
  (Array.isArray(path) ? path : [path]).map((part) => (typeof part === "number" ? part : String(part)))

/** Of what each member of a union had against a value, what the one that is for such values had. */
const meant = ({ actual, ast, issues }: ParseResult.Composite): ParseResult.ParseIssue | undefined => {
  const all = "_tag" in issues ? [issues] : issues
  if (ast._tag !== "Union") return all[0]
  return all.find((issue) => {
    const from = "ast" in issue && issue._tag !== "Missing" ? unrefined(issue.ast)._tag : undefined
    if (isObject(actual)) return from === "TypeLiteral" && issue._tag !== "Type"
    if (Array.isArray(actual)) return from === "TupleType" && issue._tag !== "Type"
    return issue._tag === "Refinement" && issue.kind === "Predicate"
  })
}

const visit = (issue: ParseResult.ParseIssue, path: ReadonlyArray<string | number>, within: AST.AST): Explained => {
  switch (issue._tag) {
    case "Pointer": {
      const at = asPath(issue.path)
      const inner = [...path, ...at]
      if (issue.issue._tag === "Unexpected") return { path: inner, refusal: unknownKey(String(at.at(-1)), within) }
      if (issue.issue._tag === "Missing") {
        const key = String(at.at(-1))
        const refusal: Refusal = { reason: "key-missing", detail: `it has no "${key}"`, advice: `Write "${key}" there` }
        return { path, refusal }
      }
      return visit(issue.issue, inner, within)
    }
    case "Composite": {
      const one = meant(issue)
      return one === undefined ? { path, refusal: wrongValue(issue.actual, issue.ast) } : visit(one, path, issue.ast)
    }
    case "Refinement": {
      if (issue.kind !== "Predicate") return visit(issue.issue, path, within)
      const expected = Option.getOrElse(expectedBy(issue.ast), () => ({
        what: kindsOf(issue.ast).join(""),
        example: ""
      }))
      return { path, refusal: outOfBounds(issue.actual, expected) }
    }
    case "Type":
      return { path, refusal: wrongValue(issue.actual, issue.ast) }
    default:
      return { path, refusal: wrongValue(issue.actual, within) }
  }
}

/** The first thing that a schema has against a value, in words for whoever wrote it. */
export const explain = (issue: ParseResult.ParseIssue, ast: AST.AST): Explained => visit(issue, [], ast)
