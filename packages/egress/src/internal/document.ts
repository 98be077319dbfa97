import * as Either from "effect/Either"
import * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"
import * as AST from "effect/SchemaAST"
import { nearest } from "../Nearest.js"
import { limits, methods, PolicyDocument } from "../PolicyDocument.js"
import { DocumentInvalid } from "../PolicyError.js"
import * as JsonKeys from "./jsonKeys.js"
import { printable } from "./text.js"

type Refused = Either.Either<never, DocumentInvalid>

const refuse = (reason: DocumentInvalid["reason"], detail: string, advice: string, place = ""): Refused =>
  Either.left(new DocumentInvalid({ place, reason, detail: printable(detail), advice: printable(advice) }))

const placeOf = (path: ReadonlyArray<PropertyKey>): string =>
  printable(
    path
      .map((part, index) => (typeof part === "number" ? `[${part}]` : index === 0 ? String(part) : `.${String(part)}`))
      .join("")
  )

const isObject = (value: unknown): value is object =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const nameOf = (value: unknown): string => {
  if (value === null) return "null"
  if (Array.isArray(value)) return "a list"
  return (
    { string: "a text", number: "a number", boolean: "true or false", object: "an object" }[String(typeof value)] ??
    "nothing"
  )
}

const expectedBy = (ast: AST.AST): string => {
  switch (ast._tag) {
    case "StringKeyword":
      return "a text"
    case "NumberKeyword":
      return "a number"
    case "TupleType":
      return "a list"
    case "TypeLiteral":
      return "an object"
    case "Literal":
      return typeof ast.literal === "string" ? "a text" : String(ast.literal)
    case "Refinement":
      return expectedBy(ast.from)
    case "Union":
      return [...new Set(ast.types.map(expectedBy))].join(" or ")
    default:
      return "something else"
  }
}

const keysOf = (ast: AST.AST): ReadonlyArray<string> =>
  ast._tag === "TypeLiteral" ? ast.propertySignatures.map(({ name }) => String(name)) : []

const hasKey = (ast: AST.AST, key: string): boolean => keysOf(ast).includes(key)

/** By which key the members of a union are told apart; the first where two are there, or none. */
const telling: ReadonlyArray<string> = ["host", "cidr", "env", "file", "command"]

/** Of the members of a union, the issue of the one that was meant: for an entry, an object with `host` or with `cidr`. */
const meant = (issue: ParseResult.Composite): ParseResult.ParseIssue | undefined => {
  const issues = "_tag" in issue.issues ? [issue.issues] : issue.issues
  if (issue.ast._tag !== "Union") return issues[0]
  const { actual } = issue
  if (typeof actual === "string") return issues.find((member) => member._tag === "Refinement")
  if (!isObject(actual)) return undefined
  const known = telling.filter((key) => issue.ast._tag === "Union" && issue.ast.types.some((type) => hasKey(type, key)))
  const key = known.find((each) => each in actual) ?? known[0] ?? ""
  return issues.find((member) => member._tag === "Composite" && hasKey(member.ast, key))
}

const unknownKey = (key: string, ast: AST.AST, place: string): Refused => {
  const keys = keysOf(ast)
  const detail = `it has the unknown key "${printable(key, 64)}"`
  if (key === "cidr" && keys.includes("host")) {
    return refuse("key-unknown", "it has both host and cidr", "Write two entries, one for each", place)
  }
  if (keys.length === 1 && telling.includes(key)) {
    return refuse("key-unknown", `it has both ${keys.join()} and ${key}`, "Write one of them", place)
  }
  if (key === "addresses") {
    return refuse("key-unknown", detail, "Only an entry of allow that has a host can list addresses", place)
  }
  const near = nearest(key.toLowerCase(), keys)
  return refuse(
    "key-unknown",
    detail,
    near === undefined ? `Its keys are ${keys.join(", ")}` : `Write "${near}"`,
    place
  )
}

const missingKey = (key: string, place: string): Refused => {
  if (key === "host" || key === "cidr") {
    return refuse("key-missing", "it has neither host nor cidr", 'Write {"host": "example.com"}', place)
  }
  return telling.includes(key)
    ? refuse("key-missing", "it has neither env, file nor command", 'Write {"env": "NAME_OF_A_VARIABLE"}', place)
    : refuse("key-missing", `it has no ${key}`, `Write "${key}" there`, place)
}

const wrongValue = (issue: ParseResult.ParseIssue, ast: AST.AST, place: string): Refused => {
  const { actual } = issue
  if (ast._tag === "Union" && typeof actual === "string" && ast.types.every(AST.isLiteral)) {
    const near = nearest(actual.toUpperCase(), methods)
    const advice = near === undefined ? "Write a method such as GET or POST" : `Write "${near}"`
    return refuse("value", `"${printable(actual, 64)}" is not a method of plain HTTP`, advice, place)
  }
  const shown = typeof actual === "number" ? String(actual) : nameOf(actual)
  return refuse("type", `it is ${shown}, and not ${expectedBy(ast)}`, `Write ${expectedBy(ast)} there`, place)
}

const outOfBounds = (issue: ParseResult.Refinement, place: string): Refused => {
  const { actual, ast } = issue
  if (typeof actual === "number") {
    return refuse("value", `${actual} is not a port`, "Write a whole number from 1 to 65535", place)
  }
  const isText = typeof actual === "string"
  if (actual === "" || (Array.isArray(actual) && actual.length === 0)) {
    return refuse("value", "it is empty", isText ? "Write what is meant" : "Leave it out where it says nothing", place)
  }
  const bounds: Readonly<Record<string, unknown>> = Object.fromEntries(
    Object.entries(AST.getJSONSchemaAnnotation(ast).pipe((found) => (found._tag === "Some" ? found.value : {})))
  )
  const most = String(bounds["maxItems"] ?? bounds["maxProperties"] ?? limits.characters)
  return isText
    ? refuse("value", `it is longer than ${most} characters`, "Write a shorter one", place)
    : refuse(
        "value",
        `it has more than ${most} entries`,
        place.startsWith("credentials") ? "Write fewer" : "Write fewer, such as one *.HOST for many hosts below it",
        place
      )
}

const explain = (issue: ParseResult.ParseIssue, path: ReadonlyArray<PropertyKey>, within: AST.AST): Refused => {
  const place = placeOf(path)
  switch (issue._tag) {
    case "Pointer":
      if (issue.issue._tag === "Unexpected") {
        return unknownKey(String(Array.isArray(issue.path) ? issue.path.at(-1) : issue.path), within, place)
      }
      if (issue.issue._tag === "Missing") {
        return missingKey(String(Array.isArray(issue.path) ? issue.path.at(-1) : issue.path), place)
      }
      return explain(issue.issue, [...path, ...(Array.isArray(issue.path) ? issue.path : [issue.path])], within)
    case "Composite": {
      const one = meant(issue)
      return one === undefined ? wrongValue(issue, issue.ast, place) : explain(one, path, issue.ast)
    }
    case "Refinement":
      return issue.kind === "Predicate" ? outOfBounds(issue, place) : explain(issue.issue, path, within)
    case "Type":
      return wrongValue(issue, issue.ast, place)
    default:
      return refuse("type", "it is not what is expected here", "See docs/reference/policy.schema.json", place)
  }
}

/** A document of what a JSON reader gave. */
export const decode = (value: unknown): Either.Either<PolicyDocument, DocumentInvalid> =>
  Either.match(Schema.decodeUnknownEither(PolicyDocument, { onExcessProperty: "error", errors: "first" })(value), {
    onLeft: ({ issue }) => explain(issue, [], PolicyDocument.ast),
    onRight: (document) => Either.right(document)
  })

const syntaxError = (text: string, error: unknown): Refused => {
  const message = error instanceof Error ? error.message : ""
  const position = /position ([0-9]+)/.exec(message)?.[1]
  const before = position === undefined ? [] : text.slice(0, Number(position)).split("\n")
  const where = before.length === 0 ? "" : `line ${before.length}, column ${(before.at(-1) ?? "").length + 1}`
  return refuse("not-json", "it is not JSON", 'Write a document such as {"allow": ["example.com"]}', where)
}

/** A document of a text. */
export const parse = (text: string): Either.Either<PolicyDocument, DocumentInvalid> => {
  if (Buffer.byteLength(text) > limits.bytes) {
    return refuse("too-long", `it is longer than ${limits.bytes} bytes`, "Allow *.HOST instead of every host below it")
  }
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    return syntaxError(text, error)
  }
  const lost = JsonKeys.lostKey(text)
  if (lost === undefined) return decode(value)
  const what =
    lost === "__proto__" ? "it has the key __proto__" : `one object has the key "${printable(lost, 64)}" twice`
  return refuse("key-twice", what, "Write each key once, and no such one")
}
