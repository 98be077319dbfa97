/**
 * An entry that is allowed for good: written into a policy document in place, so that order and spelling of
 * everything else stay as their author left them.
 *
 * @since 0.1.0
 */
import * as Policy from "@bottle/egress/Policy"
import { limits } from "@bottle/egress/PolicyDocument"
import type { Mount } from "@bottle/engine/LaunchOptions"
import * as MountedPath from "@bottle/engine/MountedPath"
import * as Rule from "@bottle/egress/Rule"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Jsonc from "jsonc-parser"
import * as Path from "node:path"
import * as Printable from "./Printable.js"

const PATH_CHARS_MAX = 200

/** How long another one that writes the same file is waited for. */
const TRIES_MAX = 40
const PAUSE_MILLIS = 50

const NEW = "{}\n"

/**
 * The entry was not written: the file is no policy, cannot be written, or could be changed by the guest, who would then
 * write its own rules.
 *
 * @since 0.1.0
 * @category errors
 */
export class NotSaved extends Schema.TaggedError<NotSaved>("@bottle/cli/NotSaved")("NotSaved", {
  file: Schema.String,
  reason: Schema.String,
  advice: Schema.String
}) {
  override get message(): string {
    return `${Printable.line(this.file, PATH_CHARS_MAX)} was not changed: ${this.reason}`
  }
  /** What to do next. */
  get suggestion(): string {
    return this.advice
  }
}

/** How the lines of the document begin and end. */
const formattingOf = (text: string): Jsonc.FormattingOptions => {
  const indent = /^([ \t]+)\S/m.exec(text)?.[1] ?? "  "
  return {
    insertSpaces: !indent.startsWith("\t"),
    tabSize: indent.startsWith("\t") ? 1 : indent.length,
    eol: text.includes("\r\n") ? "\r\n" : "\n"
  }
}

/** Behind the last entry, as that one stands. */
const insertAfter = (text: string, array: Jsonc.Node, last: Jsonc.Node, entry: string): string => {
  const end = last.offset + last.length
  const isOnOneLine = !text.slice(array.offset, last.offset).includes("\n")
  const lineStart = text.lastIndexOf("\n", last.offset) + 1
  const indent = /^[ \t]*/.exec(text.slice(lineStart, last.offset))?.[0] ?? ""
  const between = isOnOneLine ? " " : `${formattingOf(text).eol}${indent}`
  return `${text.slice(0, end)},${between}${JSON.stringify(entry)}${text.slice(end)}`
}

const identities = (policy: Policy.Policy): ReadonlySet<string> => new Set(policy.allow.map(Rule.identity))

/**
 * The text of a policy document with one entry more in `allow`, or the reason why there is none. The same text where the
 * entry is in it already. What comes out was read again, and says what the text before said and the entry.
 *
 * @since 0.1.0
 * @category conversions
 */
export const edit = (text: string, entry: string): Either.Either<string, string> =>
  Either.gen(function* () {
    const reading = (one: string) => Either.mapLeft(Policy.fromJson(one), (error) => error.message)
    const before = yield* reading(text)
    const rule = yield* Either.mapLeft(Rule.parseAllow(entry), (error) => error.message)
    if (identities(before).has(Rule.identity(rule))) return text
    const root = Jsonc.parseTree(text)
    const array = root === undefined ? undefined : Jsonc.findNodeAtLocation(root, ["allow"])
    const last = array?.children?.at(-1)
    const edited =
      array === undefined || last === undefined
        ? Jsonc.applyEdits(
            text,
            Jsonc.modify(text, ["allow", -1], entry, { isArrayInsertion: true, formattingOptions: formattingOf(text) })
          )
        : insertAfter(text, array, last, entry)
    const after = yield* reading(edited)
    const expected = yield* Either.mapLeft(
      Policy.fromDocument(Policy.toDocument(before), { allow: [entry] }),
      (error) => error.message
    )
    return JSON.stringify(Policy.toDocument(after)) === JSON.stringify(Policy.toDocument(expected))
      ? edited
      : yield* Either.left("the entry has no place in it that does not change the rest")
  })

const because = (file: string) => (reason: string, advice: string) => new NotSaved({ file, reason, advice })

const unwritable = "Name a file that you may write, in a directory that you may write to."

/** The text of the file; a new document where there is none. */
const textOf = (fs: FileSystem.FileSystem, real: string, file: string): Effect.Effect<string, NotSaved> =>
  Effect.gen(function* () {
    const info = yield* Effect.option(fs.stat(real))
    if (Option.isNone(info)) return NEW
    if (info.value.type !== "File") return yield* because(file)("it is no regular file", unwritable)
    if (info.value.size > limits.bytes) {
      return yield* because(file)(
        `it is longer than ${limits.bytes} bytes`,
        "Allow *.HOST instead of every host below it."
      )
    }
    return yield* Effect.mapError(fs.readFileString(real), () => because(file)("it cannot be read", unwritable))
  })

/** Puts the new text in the old one's place in one step, with its mode and, where that can be, its owner. */
const replace = (fs: FileSystem.FileSystem, aside: string, real: string, text: string) =>
  Effect.gen(function* () {
    const info = yield* Effect.option(fs.stat(real))
    const written = yield* fs.open(aside, { flag: "r+" })
    yield* written.writeAll(Buffer.from(text))
    if (Option.isSome(info)) {
      const { gid, mode, uid } = info.value
      if (Option.isSome(uid) && Option.isSome(gid)) yield* Effect.ignore(fs.chown(aside, uid.value, gid.value))
      yield* fs.chmod(aside, mode & 0o7777)
    }
    yield* written.sync
    yield* fs.rename(aside, real)
  }).pipe(Effect.scoped)

/**
 * Adds the entry to `allow` of the policy document in a file, which is made where there is none. Of two who do it at
 * once, one waits. Refused where the guest could change the file.
 *
 * @since 0.1.0
 * @category constructors
 */
export const save = (
  file: string,
  entry: string,
  mounts: ReadonlyArray<Mount>
): Effect.Effect<{ readonly isNew: boolean }, NotSaved, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const refuse = because(file)
    const through = yield* MountedPath.changedThrough(file, mounts)
    if (Option.isSome(through)) {
      return yield* refuse(
        `the guest can change it, below -v ${Printable.line(through.value.host, PATH_CHARS_MAX)}`,
        "Keep the file outside of what the guest can write to, or mount that with :ro."
      )
    }
    // A link stays a link: what it leads to is changed.
    const real = yield* Effect.orElseSucceed(fs.realPath(file), () => file)
    const aside = Path.join(Path.dirname(real), `.${Path.basename(real)}.bottle`)
    const made = fs.writeFileString(aside, "", { flag: "wx", mode: 0o600 })
    const taken = Effect.fn(function* (tries: number): Effect.fn.Return<void, NotSaved> {
      const result = yield* Effect.either(made)
      if (Either.isRight(result)) return
      const isThere = result.left._tag === "SystemError" && result.left.reason === "AlreadyExists"
      if (!isThere) return yield* refuse("its directory cannot be written to", unwritable)
      if (tries >= TRIES_MAX)
        return yield* refuse(`somebody else is writing it, by ${aside}`, "Remove that file if nobody is.")
      yield* Effect.sleep(PAUSE_MILLIS)
      return yield* taken(tries + 1)
    })
    return yield* Effect.acquireUseRelease(
      taken(0),
      () =>
        Effect.gen(function* () {
          const before = yield* textOf(fs, real, file)
          const after = yield* Either.mapLeft(edit(before, entry), (reason) =>
            refuse(reason, "Mend the document: `bottle policy check` tells what is wrong with it.")
          )
          if (after === before) return { isNew: false }
          yield* Effect.mapError(replace(fs, aside, real, after), () => refuse("it cannot be written", unwritable))
          return { isNew: true }
        }),
      // Renamed, it is no more: the next one may have made its own by then, and would not lose it to this.
      (_, exit) => (exit._tag === "Success" && exit.value.isNew ? Effect.void : Effect.ignore(fs.remove(aside)))
    )
  })
