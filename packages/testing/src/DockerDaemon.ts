/**
 * The docker daemon of the tests: whether there is one, images for it without a registry, and what was left in it.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as ChildProcess from "node:child_process"
import { randomUUID } from "node:crypto"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as RootFilesystem from "./RootFilesystem.js"

/** A daemon that is well answers in milliseconds. */
const ASK_MILLIS = 5000
const CALL_MILLIS = 60_000

let answer: boolean | undefined

/**
 * Whether a daemon answers `docker`, and answers us. Asked once in a test file. Throws where `DOCKER_HOST` names one that
 * does not: it was meant to be there, and tests that skip themselves then would hide that it is not.
 *
 * @since 0.1.0
 * @category predicates
 */
export const answers = (): boolean => {
  answer ??= version("docker") !== undefined
  const host = process.env["DOCKER_HOST"] ?? ""
  if (!answer && host !== "") throw new Error(`no docker daemon answers at DOCKER_HOST, which is ${host}`)
  return answer
}

/**
 * A docker client on this machine.
 *
 * @since 0.1.0
 * @category models
 */
export interface Client {
  readonly program: string
  readonly version: string
}

/**
 * Every client on PATH that the daemon answers, the first being `docker` itself; where none is answered, that one.
 *
 * @since 0.1.0
 * @category constructors
 */
export const clients = (): ReadonlyArray<Client> => {
  const paths = (process.env["PATH"] ?? "")
    .split(":")
    .map((directory) => Path.join(directory, "docker"))
    .filter((path) => Fs.existsSync(path))
    .map((path) => Fs.realpathSync(path))
  const found = [...new Set(paths)].flatMap((program): ReadonlyArray<Client> => {
    const client = version(program)
    return client === undefined ? [] : [{ program, version: client }]
  })
  return found.length === 0 ? [{ program: "docker", version: "" }] : found
}

/**
 * Imports an image with the contents, and gives its name. The scope removes it, and fails silently where it is in use.
 *
 * @since 0.1.0
 * @category constructors
 */
export const image = (contents: RootFilesystem.Contents): Effect.Effect<string, never, Scope.Scope> =>
  Effect.gen(function* () {
    const name = `bottle-test:${randomUUID()}`
    const file = yield* RootFilesystem.tar(contents)
    yield* Effect.acquireRelease(
      Effect.promise(() => run("import", file, name)),
      () => Effect.promise(() => run("image", "rm", name).catch(() => undefined))
    )
    return name
  })

/**
 * The containers and networks that bear a label (`NAME` or `NAME=VALUE`), each as `container NAME` or `network NAME`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const labelled = (label: string): Effect.Effect<ReadonlyArray<string>> =>
  Effect.promise(async () => {
    const filter = ["--filter", `label=${label}`]
    const containers = await run("container", "ls", "--all", ...filter, "--format", "container {{.Names}}")
    const networks = await run("network", "ls", ...filter, "--format", "network {{.Name}}")
    return [...containers.split("\n"), ...networks.split("\n")].filter((line) => line !== "")
  })

/**
 * Removes, when the scope closes, every container and network that bears the label then.
 *
 * @since 0.1.0
 * @category constructors
 */
export const removing = (label: string): Effect.Effect<void, never, Scope.Scope> =>
  Effect.addFinalizer(() =>
    Effect.flatMap(labelled(label), (found) =>
      Effect.forEach(
        found,
        (line) => {
          const [kind = "", name = ""] = line.split(" ")
          const words = kind === "container" ? ["rm", "--force", "--volumes", name] : ["network", "rm", name]
          return Effect.promise(() => run(...words))
        },
        { discard: true }
      )
    )
  )

/** The client's version, where a daemon answers it. */
const version = (program: string): string | undefined => {
  const { status, stdout } = ChildProcess.spawnSync(
    program,
    ["version", "--format", "{{.Client.Version}} {{.Server.Version}}"],
    { encoding: "utf8", timeout: ASK_MILLIS, killSignal: "SIGKILL" }
  )
  return status === 0 ? stdout.split(" ")[0] : undefined
}

const run = (...args: ReadonlyArray<string>): Promise<string> =>
  new Promise((resolve, reject) => {
    ChildProcess.execFile(
      "docker",
      args,
      { encoding: "utf8", timeout: CALL_MILLIS, killSignal: "SIGKILL" },
      (error, stdout, stderr) =>
        error === null ? resolve(stdout) : reject(new Error(`docker ${args.join(" ")}: ${stderr.trim()}`))
    )
  })
