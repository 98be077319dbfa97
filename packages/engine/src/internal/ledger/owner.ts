import * as Identity from "@bottle/process/Identity"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { createHash } from "node:crypto"
import * as Fs from "node:fs"
import * as Os from "node:os"
import type { Owner } from "./model.js"

export type Liveness = "alive" | "dead" | "unknown"

const MACHINE_ID = "/etc/machine-id"

const attempt = (read: () => string): string | null => {
  try {
    return read()
  } catch {
    return null
  }
}

/** What does not change while we run: the pid namespace that we are of, the machine, and this process. */
interface Here {
  readonly pidNamespace: string | null
  /** A home directory may be of two machines, and a process of the other one cannot be seen from here. */
  readonly host: string
  readonly identity: Option.Option<Identity.Identity>
}

let known: Here | undefined

const look: Effect.Effect<Here> = Effect.suspend(() => {
  if (known !== undefined) return Effect.succeed(known)
  return Effect.map(Identity.self, (identity) => {
    known = {
      pidNamespace: attempt(() => Fs.readlinkSync("/proc/self/ns/pid")),
      host: `${attempt(() => Fs.readFileSync(MACHINE_ID, "latin1").trim()) || Os.hostname()}/${Os.hostname()}`,
      identity
    }
    return known
  })
})

/** The process of that identity, which is of our machine and our namespace. */
export const here = (identity: Identity.Identity): Effect.Effect<Owner> =>
  Effect.map(look, ({ host, pidNamespace }) => ({ identity, pidNamespace, host }))

/** In whose name lines are written: this process; none where there is no `/proc` to tell it by. A test may say another. */
export class Self extends Context.Reference<Self>()("@bottle/engine/internal/LedgerSelf", {
  defaultValue: (): Effect.Effect<Option.Option<Owner>> =>
    Effect.flatMap(look, ({ identity }) => Effect.transposeOption(Option.map(identity, here)))
}) {}

export const self: Effect.Effect<Option.Option<Owner>> = Effect.flatten(Self)

const machineOf = (host: string): string => host.replace(/\/.*$/s, "")

/** Why it cannot be said from here whether the process runs; `null` where it can. */
export const doubtOf = (owner: Owner | null): Effect.Effect<string | null> =>
  Effect.gen(function* () {
    if (owner === null) return "no line of its ledger that names it can be read"
    const { host, identity, pidNamespace } = yield* look
    if (machineOf(owner.host) !== machineOf(host)) return "it is of another machine"
    // Copies of one image have one machine id, and the kernel that runs says whether it is the same one.
    const isSameBoot = Option.exists(identity, ({ bootId }) => bootId === owner.identity.bootId)
    if (!isSameBoot && owner.host !== host) return "it may be of another machine"
    // Before the boot: some containers have a boot id of their own, and a machine id that others have too.
    if (pidNamespace === null || owner.pidNamespace !== pidNamespace) return "it is of another pid namespace"
    return null
  })

export const liveness = (owner: Owner | null): Effect.Effect<Liveness> =>
  Effect.gen(function* () {
    if (owner === null || (yield* doubtOf(owner)) !== null) return "unknown"
    return (yield* Identity.isAlive(owner.identity)) ? "alive" : "dead"
  })

const PLACE_CHARS = 8

const short = (text: string): string => createHash("sha256").update(text).digest("hex").slice(0, PLACE_CHARS)

/** Where a process is, for a file's name: its machine, and its pid namespace. */
export const placeOf = ({ host, pidNamespace }: Owner): string => `${short(host)}_${short(pidNamespace ?? "")}`

/** Whether a process of such a place is known to run no more; of another place nothing is known. */
export const isKnownDead = (identity: Identity.Identity, place: string): Effect.Effect<boolean> =>
  Effect.flatMap(look, (here) => {
    const isHere = here.pidNamespace !== null && place === `${short(here.host)}_${short(here.pidNamespace)}`
    return !isHere ? Effect.succeed(false) : Effect.negate(Identity.isAlive(identity))
  })
