/**
 * What children of this process would inherit beside their standard streams.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Fs from "node:fs"
import { findProgram } from "./Host.js"
import { PrerequisiteMissing } from "./LocalError.js"

const closeOnExec = 0o2000000

let inherited: ReadonlyArray<number> | undefined

/*
 * Descriptors above 2 that children of this process would inherit. Node marks its own, and the low ones that it was
 * given; a caller may have left others open. They are here from the start, so one look is enough.
 */
const inheritable = (): ReadonlyArray<number> => {
  inherited ??= Fs.readdirSync("/proc/self/fd")
    .map(Number)
    .filter((descriptor) => {
      if (descriptor <= 2) return false
      try {
        const info = Fs.readFileSync(`/proc/self/fdinfo/${descriptor}`, "latin1")
        const flags = Number.parseInt(/^flags:\s*([0-7]+)$/m.exec(info)?.[1] ?? "0", 8)
        return (flags & closeOnExec) === 0
      } catch {
        return false
      }
    })
  return inherited
}

// Without a variable of its own, which might be one of the guest's.
const closeText = String.raw`while [ "$1" ]; do eval "exec $1>&-"; shift; done; shift; export -n PWD OLDPWD; exec "$@"`

/** bash counts itself in SHLVL, and nothing in it keeps it from that. */
const withoutLevel = (): ReadonlyArray<string> => {
  const env = findProgram("env")
  return env === undefined ? [] : [env, "-u", "SHLVL", "--"]
}

/**
 * The words to put before a program so that it gets its standard streams and nothing else that the caller of this
 * process left open. None where there is nothing to close. Only bash can close a descriptor above 9.
 *
 * @since 0.1.0
 * @category constructors
 */
export const closeOthers: Effect.Effect<ReadonlyArray<string>, PrerequisiteMissing> = Effect.suspend(() => {
  const descriptors = inheritable()
  if (descriptors.length === 0) return Effect.succeed([])
  const bash = findProgram("bash")
  return bash === undefined
    ? new PrerequisiteMissing({
        name: "bash",
        detail: `this process was started with open descriptors (${descriptors.join(", ")}) that only bash can close`,
        fix: "install bash, or start this process without them"
      })
    : Effect.succeed([
        bash,
        "--noprofile",
        "--norc",
        "-p",
        "-c",
        closeText,
        "close",
        ...descriptors.map(String),
        "",
        ...withoutLevel()
      ])
})
