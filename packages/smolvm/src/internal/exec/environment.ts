import type * as Redacted from "effect/Redacted"
import type { CommandOptions } from "../../GuestCommand.js"
import type { MachineExecOptions } from "../../MachineExec.js"
import * as Witness from "../../Witness.js"

/** The variables that every command of a machine has. */
export interface Variables {
  readonly env?: ReadonlyArray<readonly [name: string, value: string]> | undefined
  readonly secrets?: ReadonlyMap<string, Redacted.Redacted> | undefined
  readonly secretEnv?: MachineExecOptions["secretEnv"]
}

/**
 * The variable of the runtime that holds a secret of the guest. Not of the same name: the guest's PATH or LD_PRELOAD
 * must not become the runtime's own.
 */
const hostVariable = (guest: string): string => `BOTTLE_SECRET_${guest}`

/**
 * What an exec gets of variables and secrets: a command's own over the machine's, and secrets over what is plain where
 * both are of the same side. Variables of create are not seen by exec on every line.
 */
export const environmentOf = (
  machine: Variables,
  options: Pick<CommandOptions, "env" | "secrets">,
  place: string | undefined
) => {
  const own = options.secrets ?? new Map<string, Redacted.Redacted>()
  const literal = new Map(options.env ?? [])
  const values = new Map([...[...(machine.secrets ?? [])].filter(([name]) => !literal.has(name)), ...own])
  const references = (machine.secretEnv ?? []).filter(({ guest }) => !literal.has(guest) && !values.has(guest))
  return {
    env: [
      ...[...new Map([...(machine.env ?? []), ...literal])].filter(([name]) => !own.has(name)),
      ...(place === undefined ? [] : [[Witness.MARK, Witness.markOf(place)] as const])
    ],
    secretEnv: [...references, ...[...values.keys()].map((guest) => ({ guest, host: hostVariable(guest) }))],
    secrets: Object.fromEntries([...values].map(([guest, value]) => [hostVariable(guest), value]))
  }
}
