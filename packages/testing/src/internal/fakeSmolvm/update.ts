import * as Effect from "effect/Effect"
import type { Machine } from "../../FakeMachine.js"
import { all, type Call, type Done, done, fail, find, has, number, one, type Stop } from "./call.js"
import { pairs } from "./lifecycle.js"
import { port, volume } from "./rules.js"
import * as World from "./world.js"

/** `machine update`. */
export const update = (call: Call): Effect.Effect<Done, Stop> =>
  Effect.gen(function* () {
    const machine = yield* find(call)
    if (machine.state !== "created" && machine.state !== "stopped" && machine.state !== "failed") {
      return yield* fail(`invalid vm state: expected stopped, got ${machine.state}`)
    }
    const problem = missing(call, machine) ?? shrinks(call, machine)
    if (problem !== undefined) return yield* fail(`config operation failed: machine update: ${problem}`)
    yield* call.moment("half-way")
    yield* World.put(call.world, changed(call, machine))
    return done(`Updated machine: ${machine.name}\n`)
  })

const shrinks = (call: Call, { overlayGib, storageGib }: Machine): string | undefined => {
  // What was not asked for has the default size.
  const [storage, overlay] = [number(call, "--storage"), number(call, "--overlay")]
  if (storage !== undefined && storage < (storageGib ?? 20)) return "--storage can only grow"
  return overlay !== undefined && overlay < (overlayGib ?? 10) ? "--overlay can only grow" : undefined
}

const missing = (call: Call, machine: Machine): string | undefined => {
  const volumes = all(call, "--remove-volume").find((text) => !machine.volumes.some(isVolume(text)))
  if (volumes !== undefined) return `there is no volume '${volumes}'`
  const ports = all(call, "--remove-port").find((text) => !machine.ports.some(isPort(text)))
  return ports === undefined ? undefined : `there is no port '${ports}'`
}

const isVolume = (text: string) => (own: Machine["volumes"][number]) =>
  own.host === volume(text).host && own.guest === volume(text).guest

const isPort = (text: string) => (own: Machine["ports"][number]) =>
  own.host === port(text).host && own.guest === port(text).guest

const changed = (call: Call, machine: Machine): Machine => {
  const network = has(call, "--net") ? true : has(call, "--no-net") ? false : machine.network
  const removed = new Set(all(call, "--remove-env"))
  return {
    ...machine,
    cpus: number(call, "--cpus") ?? machine.cpus,
    memoryMib: number(call, "--mem") ?? machine.memoryMib,
    storageGib: number(call, "--storage") ?? machine.storageGib,
    overlayGib: number(call, "--overlay") ?? machine.overlayGib,
    workdir: one(call, "--workdir") ?? machine.workdir,
    gpu: has(call, "--gpu") || (machine.gpu && !has(call, "--no-gpu")),
    volumes: [
      ...machine.volumes.filter((own) => !all(call, "--remove-volume").some((text) => isVolume(text)(own))),
      ...all(call, "--volume").map(volume)
    ],
    ports: [
      ...machine.ports.filter((own) => !all(call, "--remove-port").some((text) => isPort(text)(own))),
      ...all(call, "--port").map(port)
    ],
    env: [...new Map([...machine.env, ...pairs(all(call, "--env"))])].filter(([name]) => !removed.has(name)),
    network,
    netBackend: network ? (machine.netBackend ?? "tsi") : null,
    // Without its network a machine forgets its policy; given one again, it has none.
    policy: has(call, "--no-net") ? null : machine.policy,
    isPolicyHeld: machine.isPolicyHeld && !has(call, "--no-net")
  }
}
