import type { Invocation } from "@bottle/smolvm/Grammar"
import * as Effect from "effect/Effect"
import type * as Stream from "effect/Stream"
import * as Path from "node:path"
import type { Machine } from "../../FakeMachine.js"
import type { How, Moment } from "../../Misbehaviour.js"
import type { World } from "./world.js"

/** Why a process ended early: by a code with a last word on stderr, or by a signal. */
export type Stop = { readonly code: number; readonly stderr: string } | { readonly signal: string }

/** What a process ended with, and what it still has to say. */
export interface Done {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** One process of smolvm, with a command line that its grammar took. */
export interface Call {
  readonly world: World
  readonly invocation: Invocation
  readonly env: Readonly<Record<string, string>>
  readonly cwd: string
  readonly stdin: Stream.Stream<Uint8Array>
  readonly write: (stream: "stdout" | "stderr", content: string | Uint8Array) => Effect.Effect<void>
  /** Where it may have to misbehave. */
  readonly moment: (moment: Moment) => Effect.Effect<void, Stop>
  readonly faults: ReadonlyArray<How>
}

export type Handler = (call: Call) => Effect.Effect<Done, Stop>

export const done = (stdout: string, stderr = ""): Done => ({ code: 0, stdout, stderr })

/** A failure of smolvm's own: exit 1, and `Error: ` before the text. */
export const fail = (text: string): Effect.Effect<never, Stop> => Effect.fail({ code: 1, stderr: `Error: ${text}\n` })

export const one = ({ invocation }: Pick<Call, "invocation">, option: string): string | undefined =>
  invocation.options.get(option)?.at(-1)

export const all = ({ invocation }: Pick<Call, "invocation">, option: string): ReadonlyArray<string> =>
  invocation.options.get(option) ?? []

export const has = ({ invocation }: Pick<Call, "invocation">, option: string): boolean =>
  invocation.flags.has(option) || invocation.options.has(option)

export const number = (call: Pick<Call, "invocation">, option: string): number | undefined => {
  const text = one(call, option)
  return text === undefined ? undefined : Number(text)
}

/** Whether it has to misbehave in that way. */
export const isTold = (call: Pick<Call, "faults">, how: How["how"]): boolean =>
  call.faults.some((fault) => fault.how === how)

/** The name that was given, by whichever way the release takes it. */
export const givenName = (call: Pick<Call, "invocation">): string | undefined =>
  one(call, "--name") ?? call.invocation.positionals[0]

/** The name that is meant: the machine `default` where none was given. */
export const nameOf = (call: Pick<Call, "invocation">): string => givenName(call) ?? "default"

/** The machine that is meant. */
export const find = (call: Call, name: string = nameOf(call)): Effect.Effect<Machine, Stop> =>
  Effect.suspend(() => {
    const machine = call.world.machines.get(name)
    return machine === undefined ? fail(`vm not found: ${name}`) : Effect.succeed(machine)
  })

/** Whether its hypervisor is there. */
export const isUp = ({ state }: Machine): boolean =>
  state === "running" || state === "unreachable" || state === "frozen"

/** The machine that is meant, where it can run commands. */
export const findRunning = (call: Call, name: string = nameOf(call)): Effect.Effect<Machine, Stop> =>
  Effect.flatMap(find(call, name), (machine) => {
    switch (machine.state) {
      case "running":
        return Effect.succeed(machine)
      case "unreachable":
        return fail(`agent operation failed: connect: machine '${name}' does not answer`)
      case "frozen":
        return fail("invalid vm state: expected running, got frozen")
      default:
        return fail(
          `agent operation failed: connect: machine '${name}' is not running. ` +
            `Use 'smolvm machine start --name ${name}' first.`
        )
    }
  })

/** A path of the host's as the process means it. */
export const hostPath = (call: Pick<Call, "cwd">, path: string): string => Path.resolve(call.cwd, path)
