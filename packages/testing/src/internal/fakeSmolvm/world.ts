import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import * as SubscriptionRef from "effect/SubscriptionRef"
import type { Guest, GuestExit } from "../../FakeGuest.js"
import type { GuestProcess, Machine } from "../../FakeMachine.js"
import type { RegistryImage } from "../../FakeSmolvm.js"
import type { Host } from "./host.js"
import type { Release } from "./release.js"

/** A process of a guest, and the fiber that is it. */
export interface Running extends GuestProcess {
  readonly fiber: Fiber.RuntimeFiber<GuestExit>
  /** The signal that it was sent, by its number. */
  killedBy: number | undefined
}

/** A hypervisor whose machine's record is gone. */
export interface Orphan {
  readonly name: string
  readonly pid: number
}

/** All that a smolvm keeps between its processes. */
export interface World {
  readonly release: Release
  readonly host: Host
  readonly guest: Guest
  /** Holds the processes of the guests. */
  readonly scope: Scope.Scope
  /** The images that can be pulled; any, where it is not given. */
  readonly images: Readonly<Record<string, RegistryImage>> | undefined
  readonly machines: Map<string, Machine>
  /** Names that a create has taken and not yet filled. */
  readonly reserved: Set<string>
  /** Machines whose lock a start has, as long as its process lives. */
  readonly starting: Set<string>
  readonly orphans: Array<Orphan>
  readonly processes: Map<string, Map<number, Running>>
  /** Packs that were pushed, by reference. */
  readonly registry: Map<string, Uint8Array>
  /** Counts what has changed, for whoever watches. */
  readonly changes: SubscriptionRef.SubscriptionRef<number>
  /** The number for the next process, of a host's hypervisor or a guest's. */
  readonly nextPid: () => number
}

/** Puts a machine's record in the place of the one of its name. */
export const put = (world: World, machine: Machine): Effect.Effect<void> =>
  Effect.suspend(() => {
    world.machines.set(machine.name, machine)
    return changed(world)
  })

/** Takes a record away; what runs of the machine is left as it is. */
export const forget = (world: World, name: string): Effect.Effect<void> =>
  Effect.suspend(() => {
    world.machines.delete(name)
    return changed(world)
  })

/** Ends all that runs in a machine. */
export const endProcesses = (world: World, name: string): Effect.Effect<void> =>
  Effect.suspend(() => {
    const running = [...(world.processes.get(name)?.values() ?? [])]
    return Effect.forEach(running, ({ fiber }) => Fiber.interrupt(fiber), { discard: true })
  })

const changed = (world: World): Effect.Effect<void> => SubscriptionRef.update(world.changes, (count) => count + 1)
