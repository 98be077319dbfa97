import * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { reasonOf } from "../files.js"

/** A plan or a proof is some ten kilobytes; what is far beyond that is something else. */
const DOCUMENT_BYTES_MAX = 8 * 1024 * 1024

/** The version of every document that this program writes. */
const VERSION = 1

/** One document of a record, as `RecordStore.Reading` says. */
export type Reading<A> =
  | { readonly _tag: "Read"; readonly value: A }
  | { readonly _tag: "SetAside"; readonly reason: string }
  | { readonly _tag: "Missing" }

const setAside = (reason: string): Reading<never> => ({ _tag: "SetAside", reason })

const parse = (text: string): Either.Either<object, string> => {
  try {
    const document: unknown = JSON.parse(text)
    return typeof document === "object" && document !== null && !Array.isArray(document)
      ? Either.right(document)
      : Either.left("it holds no object")
  } catch {
    return Either.left("it is not JSON")
  }
}

const interpret = <A>(text: string, decode: (document: object) => Either.Either<A, unknown>): Reading<A> => {
  const parsed = parse(text)
  if (Either.isLeft(parsed)) return setAside(parsed.left)
  const decoded = decode(parsed.right)
  if (Either.isRight(decoded)) return { _tag: "Read", value: decoded.right }
  const version: unknown = Reflect.get(parsed.right, "version")
  return setAside(
    typeof version === "number" && version !== VERSION
      ? `it is of version ${version}, and this program reads version ${VERSION}`
      : "another release of this program wrote it, in a form that this one does not read"
  )
}

/** Reads a document, whatever is there in its place. */
export const readDocument = <A>(
  path: string,
  decode: (document: object) => Either.Either<A, unknown>
): Effect.Effect<Reading<A>, never, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const info = yield* fs.stat(path)
    // A pipe would keep its reader waiting.
    if (info.type !== "File") return setAside("it is not a file")
    if (info.size > DOCUMENT_BYTES_MAX) return setAside(`it is larger than ${DOCUMENT_BYTES_MAX} bytes`)
    return interpret(yield* fs.readFileString(path), decode)
  }).pipe(
    Effect.catchAll((error) =>
      Effect.succeed<Reading<A>>(
        error._tag === "SystemError" && error.reason === "NotFound" ? { _tag: "Missing" } : setAside(reasonOf(error))
      )
    )
  )
