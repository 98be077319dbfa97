import * as Effect from "effect/Effect"
import type { Machine } from "../../FakeMachine.js"
import { type Call, type Done, done, fail, findRunning, has, hostPath, one, type Stop } from "./call.js"
import * as Guests from "./guests.js"
import * as World from "./world.js"

const failed = (reason: string) => fail(`agent operation failed: file transfer: ${reason}`)

/** `machine cp`: one file, one way. */
export const cp = (call: Call): Effect.Effect<Done, Stop> =>
  Effect.gen(function* () {
    const [from = "", to = ""] = call.invocation.positionals
    // What has a colon is a machine's path, whatever else it looks like; the source is looked at first.
    const source = split(from)
    const target = split(to)
    if (source !== undefined && target !== undefined) return yield* failed("machine to machine is not supported")
    const remote = source ?? target
    if (remote === undefined) return yield* failed("one of SRC and DST must be machine:path")
    const options = ["--mode", "--uid", "--gid"].find((option) => has(call, option))
    if (options !== undefined && source !== undefined) return yield* failed(`${options} is for uploads only`)
    const mode = one(call, "--mode")
    if (mode !== undefined && !/^[0-7]{1,4}$/.test(mode)) return yield* failed(`--mode '${mode}' is not octal`)
    const machine = yield* findRunning(call, remote.machine)
    const path = yield* guestPath(remote.path)
    yield* source === undefined ? upload(call, machine, from, path) : download(call, machine, path, to)
    return done("", `Copied ${from} to ${to}\n`)
  })

const split = (text: string): { readonly machine: string; readonly path: string } | undefined => {
  const colon = text.indexOf(":")
  return colon < 0 ? undefined : { machine: text.slice(0, colon), path: text.slice(colon + 1) }
}

const guestPath = (path: string): Effect.Effect<string, Stop> => {
  const absolute = path.startsWith("/") ? path : `/${path}`
  const segments = absolute.split("/")
  if (segments.includes("..") || segments.includes(".")) return failed(`'${path}' has '.' or '..' in it`)
  return absolute.endsWith("/") ? failed(`'${path}' is not the path of a file`) : Effect.succeed(absolute)
}

/** From 1.6.0 the limit can be raised. */
const limitBytes = (call: Call): number => {
  const given = call.world.release.since("1.6.0") ? Number(call.env["SMOLVM_FILE_TRANSFER_MAX_BYTES"]) : Number.NaN
  return Number.isSafeInteger(given) && given > 0 ? given : 4 * 1024 * 1024 * 1024
}

const upload = (call: Call, machine: Machine, from: string, path: string): Effect.Effect<void, Stop> =>
  Effect.gen(function* () {
    const local = hostPath(call, from)
    const kind = call.world.host.kind(local)
    if (kind === "directory") return yield* fail(`io operation failed: read ${from}: Is a directory (os error 21)`)
    const bytes = call.world.host.read(local)
    if (bytes === undefined) {
      return yield* fail(`io operation failed: read ${from}: No such file or directory (os error 2)`)
    }
    const limit = limitBytes(call)
    if (bytes.length > limit) return yield* failed(`${bytes.length} bytes exceed the limit of ${limit}`)
    yield* put(call, machine, path, new Uint8Array(0))
    yield* call.moment("half-way")
    yield* put(call, machine, path, bytes)
  })

const put = (call: Call, { name }: Machine, path: string, bytes: Uint8Array): Effect.Effect<void, Stop> =>
  Effect.suspend(() => {
    const machine = call.world.machines.get(name)
    if (machine === undefined) return failed("connection closed")
    const isImage = machine.image !== null || machine.from !== null
    // Before 1.7.3 it is written beneath the live overlay of an image's machine, where no command sees it.
    if (isImage && !call.world.release.since("1.7.3") && !path.startsWith("/workspace/")) {
      return World.put(call.world, { ...machine, hiddenFiles: new Map([...machine.hiddenFiles, [path, bytes]]) })
    }
    const problem = Guests.filesOf(call.world, name).write(path, bytes)
    return problem === undefined ? Effect.void : failed(`${path}: ${problem}`)
  })

const download = (call: Call, machine: Machine, path: string, to: string): Effect.Effect<void, Stop> =>
  Effect.gen(function* () {
    const bytes = machine.hiddenFiles.get(path) ?? Guests.filesOf(call.world, machine.name).read(path)
    if (bytes === undefined) {
      const isDirectory = [...machine.files.keys()].some((file) => file.startsWith(`${path}/`))
      return yield* failed(isDirectory ? `${path}: not a regular file` : `${path}: No such file or directory`)
    }
    const local = hostPath(call, to)
    if (call.world.host.kind(local) === "directory") {
      return yield* fail(`io operation failed: write ${to}: Is a directory (os error 21)`)
    }
    const empty = call.world.host.write(local, new Uint8Array(0))
    yield* call.moment("half-way")
    const problem = empty ?? call.world.host.write(local, bytes)
    if (problem !== undefined) return yield* fail(`io operation failed: write ${to}: ${problem}`)
  })
