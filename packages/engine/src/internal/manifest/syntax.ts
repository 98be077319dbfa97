import * as Either from "effect/Either"
import * as Jsonc from "jsonc-parser"
import { limits } from "../../Manifest.js"
import { ManifestInvalid } from "../../ManifestError.js"
import { printable } from "./printable.js"

type Path = ReadonlyArray<string | number>

/** Why a part of a manifest is not taken. */
export type Refusal = Pick<ManifestInvalid, "reason" | "detail" | "advice">

/** A text that was read: its value, and where each part of it stands. */
export interface Read {
  readonly value: unknown
  /** The refusal of what stands at a path. */
  readonly refuse: (path: Path, refusal: Refusal) => ManifestInvalid
}

/** A path as it is written: `bottles.dev.mounts[0]`. */
export const placeOf = (path: Path): string =>
  printable(
    path.map((part, at) => (typeof part === "number" ? `[${part}]` : at === 0 ? part : `.${part}`)).join(""),
    200
  )

const positionOf = (text: string, offset: number): { readonly line: number; readonly column: number } => {
  const before = text.slice(0, offset).split(/\r\n|[\r\n]/)
  return { line: before.length, column: (before.at(-1) ?? "").length + 1 }
}

const refusal = (
  text: string,
  offset: number | null,
  path: Path,
  { advice, detail, reason }: Refusal
): ManifestInvalid =>
  new ManifestInvalid({
    file: null,
    ...(offset === null ? { line: null, column: null } : positionOf(text, offset)),
    place: placeOf(path),
    reason,
    detail: printable(detail),
    advice: printable(advice)
  })

const ADVICE = "Write JSON; comments (// and /* */) and trailing commas are taken"

/** What the parser calls a mistake, and what it is to whoever wrote it. */
const mistakes: Readonly<Record<string, string>> = {
  InvalidSymbol: "something that is no JSON stands here",
  InvalidNumberFormat: "a number is not written so",
  PropertyNameExpected: "the name of a key is expected here, in double quotes",
  ValueExpected: "a value is expected here",
  ColonExpected: "a colon is expected here",
  CommaExpected: "a comma is expected here",
  CloseBraceExpected: "a closing } is expected here",
  CloseBracketExpected: "a closing ] is expected here",
  EndOfFileExpected: "the manifest ended before this",
  UnexpectedEndOfComment: "a comment is not closed",
  UnexpectedEndOfString: "a text is not closed",
  UnexpectedEndOfNumber: "a number is not finished",
  InvalidUnicode: "\\u is followed by four hexadecimal digits",
  InvalidEscapeCharacter: "no character is escaped so",
  InvalidCharacter: "a text holds a character that has to be escaped"
}

/** Where objects and lists are inside of more others than the parser, which calls itself for each, is to go into. */
const tooDeep = (text: string): number | undefined => {
  const scanner = Jsonc.createScanner(text, true)
  let depth = 0
  for (;;) {
    scanner.scan()
    const offset = scanner.getTokenOffset()
    // By where it is: what ends in a comment that was just opened has an end of a length, for ever.
    if (offset >= text.length) return undefined
    const first = text[offset]
    if (first === "{" || first === "[") depth += 1
    if (first === "}" || first === "]") depth -= 1
    if (depth > limits.depth) return offset
  }
}

/** A key that a reader of JSON would lose: one that stands twice in its object, or the prototype's. */
const lostKey = (node: Jsonc.Node): { readonly key: Jsonc.Node; readonly isTwice: boolean } | undefined => {
  const seen = new Set<unknown>()
  for (const child of node.children ?? []) {
    const [key] = child.type === "property" ? (child.children ?? []) : []
    if (key !== undefined) {
      const isTwice = seen.has(key.value)
      if (isTwice || key.value === "__proto__") return { key, isTwice }
      seen.add(key.value)
    }
    const inner = lostKey(child)
    if (inner !== undefined) return inner
  }
  return undefined
}

/** The value of a text of JSON with comments, in which nothing is overlooked. */
export const read = (source: string): Either.Either<Read, ManifestInvalid> => {
  const text = source.startsWith("\uFEFF") ? source.slice(1) : source
  const refuse = (offset: number | null, path: Path, why: Refusal) => Either.left(refusal(text, offset, path, why))
  if (Buffer.byteLength(text) > limits.bytes) {
    const detail = `it is longer than ${limits.bytes} bytes`
    return refuse(null, [], { reason: "too-long", detail, advice: "Keep policies in files of their own" })
  }
  const deep = tooDeep(text)
  if (deep !== undefined) {
    const detail = `more than ${limits.depth} objects and lists are inside of each other here`
    return refuse(deep, [], { reason: "too-deep", detail, advice: "No manifest needs so many" })
  }
  const errors: Array<Jsonc.ParseError> = []
  const root = Jsonc.parseTree(text, errors, { allowTrailingComma: true, disallowComments: false })
  const error = errors.find(({ error }) => root !== undefined || Jsonc.printParseErrorCode(error) !== "ValueExpected")
  if (error !== undefined) {
    const detail = mistakes[Jsonc.printParseErrorCode(error.error)] ?? "it is no JSON"
    return refuse(error.offset, [], { reason: "not-json", detail, advice: ADVICE })
  }
  if (root === undefined) return refuse(0, [], { reason: "not-json", detail: "it holds nothing", advice: ADVICE })
  const lost = lostKey(root)
  if (lost !== undefined) {
    const { isTwice, key } = lost
    const shown = printable(String(key.value), 64)
    const detail = isTwice ? `the key "${shown}" stands twice in one object` : `"${shown}" is no key that can be read`
    const path = Jsonc.getNodePath(key).slice(0, -1)
    return refuse(key.offset, path, {
      reason: isTwice ? "key-twice" : "key-unknown",
      detail,
      advice: isTwice ? "Write each key once" : "Leave it out"
    })
  }
  const offsetOf = (path: Path): number | null => {
    const node = Jsonc.findNodeAtLocation(root, [...path])
    // A host is one key here, and several words in a path that was read from a text: what it stands in is near.
    if (node === undefined && path.length > 0) return offsetOf(path.slice(0, -1))
    const isKeyed = node?.parent?.type === "property"
    return (isKeyed ? node?.parent?.offset : node?.offset) ?? null
  }
  return Either.right({
    value: Jsonc.getNodeValue(root),
    refuse: (path, why) => refusal(text, offsetOf(path), path, why)
  })
}
