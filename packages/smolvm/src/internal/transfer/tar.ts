/* Archives through the guest's own tar, both ways. */

import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { randomBytes } from "node:crypto"
import * as Fs from "node:fs"
import * as Path from "node:path"
import type { ArchiveError } from "../../ArchiveError.js"
import type { Endpoint, EndpointOutput } from "../../Transfer.js"
import { TransferFailed } from "../../TransferError.js"
import { attempt } from "../archive/run.js"
import { aside, writeAll } from "./aside.js"
import { clean, command } from "./guest.js"
import { shown, type Written } from "./paths.js"
import * as Words from "./words.js"

// GNU tar ends with 1 where that is all there is to say: what it wrote is a whole archive all the same. Other tars end
// with 1 for anything, hence the words.
const HARMLESS = /: (file changed as we read it|File removed before we read it|socket ignored)$/

const isHarmless = (exitCode: number, words: Words.Words): boolean =>
  exitCode === 0 || (exitCode === 1 && words.isWhole() && words.lines().every((line) => HARMLESS.test(line)))

/** What a command in the guest prints; the end of it fails where the command did. */
export const outputOf = <E>(
  endpoint: Endpoint<E>,
  program: ReadonlyArray<string>,
  path: string,
  words: Words.Words
): Stream.Stream<Uint8Array, TransferFailed | E> =>
  Stream.filterMapEffect(
    endpoint.stream(command(program)),
    (event): Option.Option<Effect.Effect<Uint8Array, TransferFailed>> => {
      if (event._tag === "Stdout") return Option.some(Effect.succeed(event.bytes))
      if (event._tag === "Stderr") {
        words.add(event.bytes)
        return Option.none()
      }
      const { exitCode } = event.exit
      if (isHarmless(exitCode, words)) return Option.none()
      return Option.some(
        Effect.fail(new TransferFailed({ direction: "out", path: shown(path), exitCode, words: words.shown() }))
      )
    }
  )

/** The words that make an archive in the guest. A file that is reached by a link is copied, not the link. */
export const packing = (guest: Written, kind: "file" | "directory"): ReadonlyArray<string> =>
  kind === "directory"
    ? ["tar", "-cf", "-", "-C", guest.path, "."]
    : ["tar", "-chf", "-", "-C", Path.posix.dirname(guest.path), `./${guest.base}`]

// Beside its place, then moved there; a directory that is not writable could not be moved.
const UNPACK = `mkdir -p -- "$1" && mkdir -- "$1/$2" && tar -xopf "$5" -C "$1/$2" &&
  chmod u+rwx "$1/$2/$3" && mv -f -- "$1/$2/$3" "$1/$3" && chmod "$4" "$1/$3"
code=$?
rm -rf -- "$1/$2" 2>/dev/null
exit "$code"`

/** Where an archive becomes what it holds: `name` in `parent`, beside which `part` is for as long. */
export interface Unpacking {
  readonly parent: string
  readonly name: string
  readonly part: string
  readonly mode: number
}

/** The words that do so, of an archive that is a file of the guest, or `-`. */
export const unpacking = ({ mode, name, parent, part }: Unpacking, file: string): ReadonlyArray<string> => [
  "sh",
  "-c",
  UNPACK,
  "sh",
  parent,
  part,
  name,
  mode.toString(8),
  file
]

/** The words that lay an archive over a directory. */
export const merging = (directory: string, file: string): ReadonlyArray<string> => [
  "tar",
  "-xopf",
  file,
  "-C",
  directory
]

/** Runs a command of the guest's on an archive, and fails where it does or where the archive cannot be made. */
export const feed = <E>(
  endpoint: Endpoint<E>,
  program: ReadonlyArray<string>,
  archive: Stream.Stream<Uint8Array, ArchiveError> | undefined,
  path: string
): Effect.Effect<string, ArchiveError | TransferFailed | E> =>
  Effect.gen(function* () {
    const broken = yield* Deferred.make<never, ArchiveError>()
    const words = Words.make()
    let exitCode = -1
    const take = (event: EndpointOutput) =>
      Effect.sync(() => {
        if (event._tag === "Stderr") words.add(event.bytes)
        if (event._tag === "Exit") exitCode = event.exit.exitCode
      })
    // An archive that breaks off must not look like one that ended: the command is ended, and its input is not.
    const stdin =
      archive === undefined
        ? undefined
        : Stream.catchAllCause(archive, (cause) =>
            Stream.fromEffect(Effect.zipRight(Deferred.failCause(broken, cause), Effect.never))
          )
    const run = Stream.runForEach(endpoint.stream({ ...command(program), stdin }), take)
    yield* Effect.raceFirst(run, Deferred.await(broken))
    if (exitCode === 0) return words.shown()
    return yield* new TransferFailed({ direction: "in", path: shown(path), exitCode, words: words.shown() })
  })

/**
 * As `feed`, for a runtime whose clients cannot take a large input: the archive goes as a file, by the runtime's own copy.
 * Before 1.7.3 commands see what that writes in `/workspace` only.
 */
export const feedByFile = <E>(
  endpoint: Endpoint<E>,
  program: (archive: string) => ReadonlyArray<string>,
  archive: Stream.Stream<Uint8Array, ArchiveError>,
  path: string
): Effect.Effect<string, ArchiveError | TransferFailed | E> =>
  Effect.scoped(
    Effect.gen(function* () {
      const host = yield* aside(endpoint)
      const descriptor = yield* Effect.acquireRelease(
        attempt(host, () => Fs.openSync(host, "wx", 0o600)),
        (opened) => Effect.sync(() => Fs.closeSync(opened))
      )
      yield* Stream.runForEach(archive, (bytes) => attempt(host, () => writeAll(descriptor, bytes)))
      const { cpReachesWorkload } = endpoint.capabilities
      const guest = `${cpReachesWorkload ? "/tmp" : "/workspace"}/.bottle-${randomBytes(6).toString("hex")}.tar`
      yield* Effect.addFinalizer(() => clean(endpoint, guest))
      yield* endpoint.cpIn({ host, guest })
      return yield* feed(endpoint, program(guest), undefined, path)
    })
  )
