import { capture, type CaptureOptions, stderrText, stdoutText } from "@bottle/process/Capture"
import * as FakeSmolvm from "@bottle/testing/FakeSmolvm"
import * as Effect from "effect/Effect"

/** How a process of the fake's ended, and what it said. */
export interface Said {
  readonly code: number
  readonly signal: string | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs the fake with words that have no spaces in them. */
export const run = (line: string, options?: CaptureOptions) => runWords(line.split(" "), options)

/** Runs the fake with these words. */
export const runWords = (args: ReadonlyArray<string>, options?: CaptureOptions, env: Record<string, string> = {}) =>
  Effect.map(capture({ program: "smolvm", args, env }, options), (captured): Said => ({
    ...captured.exit,
    stdout: stdoutText(captured),
    stderr: stderrText(captured)
  }))

/** A machine of this name that runs, by the way its release names machines. */
export const started = (name: string, ...rest: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const { version } = yield* FakeSmolvm.FakeSmolvm
    const isPositional = version.startsWith("0.") || version === "1.0.0" || version === "1.0.1"
    yield* runWords(["machine", "create", ...(isPositional ? [name] : ["--name", name]), ...rest])
    return yield* run(`machine start --name ${name}`)
  })

/** What the fake keeps of a machine that must be there. */
export const machine = (name: string) =>
  Effect.flatMap(FakeSmolvm.FakeSmolvm, (fake) =>
    Effect.flatMap(fake.machine(name), (found) =>
      found === undefined ? Effect.dieMessage(`there is no machine ${name}`) : Effect.succeed(found)
    )
  )
