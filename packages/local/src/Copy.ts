/**
 * One file into a machine, or out of it, through a command that runs there as the guest.
 *
 * @since 0.1.0
 */
import * as Follow from "@bottle/process/Follow"
import type { Program } from "@bottle/process/Program"
import type { CommandExecutor } from "@effect/platform/CommandExecutor"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { randomBytes } from "node:crypto"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { attempt, reasonOf } from "./internal/files.js"
import { printable } from "./internal/printable.js"
import { OperationFailed } from "./LocalError.js"

/** smolvm's own limit for one file. */
const limitBytes = 4 * 1024 ** 3

const chunkBytes = 256 * 1024

const failed = (reason: string) => new OperationFailed({ family: "agent", operation: "file transfer", reason })

const complaintBytesMax = 1000

/** What the guest's side said on standard error: the beginning, whatever else it says. */
const makeComplaint = () => {
  let bytes = new Uint8Array(0)
  return {
    add: (more: Uint8Array) => {
      const room = complaintBytesMax - bytes.length
      if (room > 0) bytes = Buffer.concat([bytes, more.subarray(0, room)])
    },
    text: () => printable(Buffer.from(bytes).toString("utf8"))
  }
}

const check = (code: number | undefined, complaint: string): Effect.Effect<void, OperationFailed> =>
  code === 0 ? Effect.void : failed(complaint === "" ? `the guest's side ended with ${code}` : complaint)

/** The bytes of an open file, from its beginning; a read that fails ends them, and the length then tells. */
const readAll = (descriptor: number): Stream.Stream<Uint8Array> =>
  Stream.unfold(0, (position) => {
    const buffer = new Uint8Array(chunkBytes)
    const length = Fs.readSync(descriptor, buffer, 0, chunkBytes, position)
    return length === 0 ? Option.none() : Option.some([buffer.subarray(0, length), position + length] as const)
  })

const open = (path: string, flags: number | string, mode?: number) =>
  Effect.acquireRelease(
    Effect.try({ try: () => Fs.openSync(path, flags, mode), catch: (cause) => failed(`${path}: ${reasonOf(cause)}`) }),
    (descriptor) => Effect.sync(() => Fs.closeSync(descriptor))
  )

/**
 * Feeds a file of the host's to a program; fails unless that ends with 0.
 *
 * @since 0.1.0
 * @category constructors
 */
export const upload = (program: Program, path: string): Effect.Effect<void, OperationFailed, CommandExecutor> =>
  Effect.scoped(
    Effect.gen(function* () {
      const descriptor = yield* open(path, Fs.constants.O_RDONLY | Fs.constants.O_NONBLOCK)
      const stat = yield* attempt("look at the file", () => Fs.fstatSync(descriptor))
      if (!stat.isFile()) return yield* failed(`${path}: not a regular file`)
      if (stat.size > limitBytes) return yield* failed(`${path}: larger than ${limitBytes} bytes`)
      let code: number | undefined
      const complaint = makeComplaint()
      yield* Follow.follow(program, { stdin: readAll(descriptor) }).pipe(
        Stream.runForEach((event) =>
          Effect.sync(() => {
            if (event._tag === "Exit") code = event.exit.code
            else if (event._tag === "Stderr") complaint.add(event.bytes)
          })
        ),
        Effect.mapError((error) => failed(error.message))
      )
      yield* check(code, complaint.text())
    })
  )

/**
 * Writes what a program gives to a file of the host's, which is only there once all of it is; fails unless the program
 * ends with 0.
 *
 * @since 0.1.0
 * @category constructors
 */
export const download = (program: Program, path: string): Effect.Effect<void, OperationFailed, CommandExecutor> => {
  const temporary = Path.join(Path.dirname(path), `.${Path.basename(path)}.${randomBytes(6).toString("hex")}`)
  return Effect.scoped(
    Effect.gen(function* () {
      yield* Effect.addFinalizer(() => Effect.sync(() => Fs.rmSync(temporary, { force: true })))
      if (Fs.existsSync(path) && Fs.statSync(path).isDirectory()) return yield* failed(`${path}: is a directory`)
      const descriptor = yield* open(temporary, "wx", 0o644)
      let code: number | undefined
      const complaint = makeComplaint()
      let written = 0
      yield* Follow.follow(program).pipe(
        Stream.mapError((error) => failed(error.message)),
        Stream.runForEach((event) => {
          if (event._tag === "Exit") code = event.exit.code
          else if (event._tag === "Stderr") complaint.add(event.bytes)
          else {
            written += event.bytes.length
            if (written > limitBytes) return failed(`larger than ${limitBytes} bytes`)
            return attempt("write the file", () => {
              let offset = 0
              while (offset < event.bytes.length) offset += Fs.writeSync(descriptor, event.bytes, offset)
            })
          }
          return Effect.void
        })
      )
      yield* check(code, complaint.text())
      yield* attempt("put the file in place", () => Fs.renameSync(temporary, path))
    })
  )
}
