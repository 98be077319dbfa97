import { createHash } from "node:crypto"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { type Call, type Done, done, fail, find, has, isUp, nameOf, number, one, type Stop } from "./call.js"
import { boot } from "./lifecycle.js"
import { machineJson } from "./machineJson.js"

const json = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`

/** `machine ls`. */
export const ls = (call: Call): Effect.Effect<Done, Stop> =>
  Effect.sync(() => {
    const machines = [...call.world.machines.values()]
    if (has(call, "--json")) return done(json(machines.map((machine) => machineJson(call.world.release, machine))))
    const rows = machines.map(({ name, pid, state }) => `${name}  ${state}  ${pid ?? "-"}\n`)
    return done(machines.length === 0 ? "No machines found\n" : ["NAME  STATE  PID\n", ...rows].join(""))
  })

/** `machine status`. */
export const status = (call: Call): Effect.Effect<Done, Stop> =>
  Effect.suspend(() => {
    const name = nameOf(call)
    const machine = call.world.machines.get(name)
    if (machine === undefined) return fail(`config operation failed: machine status: machine '${name}' not found`)
    return Effect.succeed(
      has(call, "--json")
        ? done(json(machineJson(call.world.release, machine)))
        : done(`Machine: ${name}\nState: ${machine.state}\n${machine.pid === null ? "" : `PID: ${machine.pid}\n`}`)
    )
  })

/** `machine data-dir`. */
export const dataDir = (call: Call): Effect.Effect<Done, Stop> =>
  Effect.map(find(call), ({ name }) => {
    // From 1.2.5 one variable moves everything; it goes before those of XDG.
    const moved = call.world.release.since("1.2.5") ? call.env["SMOLVM_DATA_DIR"] : undefined
    const cache = moved === undefined ? call.env["XDG_CACHE_HOME"] : undefined
    const caches = cache ?? `${moved ?? call.env["HOME"] ?? ""}/.cache`
    return done(`${caches}/smolvm/vms/${createHash("sha256").update(name).digest("hex").slice(0, 16)}\n`)
  })

/** `machine images`: boots a machine that is stopped, to look. What a start says on stdout, it is taken to say too. */
export const images = (call: Call): Effect.Effect<Done, Stop> =>
  Effect.gen(function* () {
    const found = yield* find(call)
    const machine = isUp(found) ? found : yield* boot(call, found)
    if (!isUp(found)) yield* call.write("stdout", `Machine '${machine.name}' running (PID: ${machine.pid})\n`)
    const known = machine.image === null ? undefined : call.world.images?.[machine.image]
    const held =
      machine.image === null
        ? []
        : [
            {
              reference: machine.image,
              digest: digestOf(machine.image),
              size: 1024,
              created: "1970-01-01T00:00:00Z",
              architecture: "amd64",
              os: "linux",
              layer_count: 1,
              layers: [digestOf(`${machine.image} layer`)],
              entrypoint: machine.entrypoint,
              cmd: machine.cmd,
              env: machine.env.map((pair) => pair.join("=")),
              workdir: machine.workdir,
              user: known?.user ?? null
            }
          ]
    const count = held.length
    const storage = { total_bytes: 21_474_836_480, used_bytes: count * 1024, layer_count: count, image_count: count }
    if (has(call, "--json")) return done(json({ storage, images: held }))
    return done(count === 0 ? "No images found\n" : held.map(({ reference }) => `${reference}\n`).join(""))
  })

export const digestOf = (text: string): string => `sha256:${createHash("sha256").update(text).digest("hex")}`

/** `machine prune`: what no image of the machine needs; here there is never any. */
export const prune = (call: Call): Effect.Effect<Done, Stop> =>
  Effect.gen(function* () {
    const found = yield* find(call)
    if (!isUp(found)) yield* boot(call, found)
    return done(has(call, "--dry-run") ? "Nothing to prune\n" : "Freed 0 bytes\n")
  })

/** `machine egress-events`. */
export const egressEvents = (call: Call): Effect.Effect<Done, Stop> =>
  Effect.map(find(call), (machine) => {
    const limit = number(call, "--limit") ?? 200
    const events = limit === 0 ? [] : machine.egressEvents.slice(-limit)
    return has(call, "--json")
      ? done(json(events))
      : done(events.map(({ dest, operation, timestamp }) => `${timestamp}  ${operation}  ${dest}\n`).join(""))
  })

/** `machine monitor`: tells each state of a machine until a signal ends it, or the machine is gone. */
export const monitor = (call: Call): Effect.Effect<Done, Stop> =>
  Effect.gen(function* () {
    const { name } = yield* find(call)
    yield* call.write("stdout", `Monitoring machine '${name}' (restart: ${one(call, "--restart") ?? "never"})\n`)
    yield* call.moment("half-way")
    yield* call.world.changes.changes.pipe(
      Stream.map(() => call.world.machines.get(name)?.state),
      Stream.changes,
      Stream.takeUntil((state) => state === undefined),
      Stream.runForEach((state) => (state === undefined ? Effect.void : call.write("stdout", `state: ${state}\n`)))
    )
    return yield* fail(`vm not found: ${name}`)
  })
