import * as Effect from "effect/Effect"
import type { PackManifest } from "../../FakeSmolvm.js"
import { all, type Call, type Done, done, fail, find, has, hostPath, number, one, type Stop } from "./call.js"
import { digestOf } from "./inspect.js"
import { blank, pairs } from "./lifecycle.js"
import * as Pack from "./pack.js"
import { isLocalImage, port, volume } from "./rules.js"
import { ephemeral } from "./run.js"
import * as World from "./world.js"

/** `pack create`. */
export const create = (call: Call): Effect.Effect<Done, Stop> =>
  Effect.gen(function* () {
    const vm = one(call, "--from-vm")
    const manifest = vm === undefined ? yield* ofImage(call) : yield* ofMachine(call, vm)
    const output = one(call, "--output") ?? ""
    const bytes = Pack.encode({
      ...manifest,
      cpus: number(call, "--cpus") ?? manifest.cpus,
      mem: number(call, "--mem") ?? manifest.mem,
      gpu: manifest.gpu || has(call, "--gpu"),
      entrypoint: has(call, "--entrypoint") ? [one(call, "--entrypoint") ?? ""] : manifest.entrypoint
    })
    const isSingle = has(call, "--single-file")
    yield* write(call, output, isSingle ? bytes : new TextEncoder().encode("#!/bin/sh\n"))
    yield* call.moment("half-way")
    if (!isSingle) yield* write(call, `${output}.smolmachine`, bytes)
    return done(`Created pack: ${isSingle ? output : `${output}.smolmachine`}\n`)
  })

const ofImage = (call: Call): Effect.Effect<PackManifest, Stop> =>
  Effect.suspend(() => {
    const image = one(call, "--image") ?? null
    const { host, images } = call.world
    if (image === null) return Effect.succeed(Pack.empty)
    if (isLocalImage(call, image)) {
      return image === "-" || host.kind(hostPath(call, image)) !== undefined
        ? Effect.succeed({ ...Pack.empty, image })
        : fail(`storage operation failed: open image: ${image}: No such file or directory (os error 2)`)
    }
    const known = images === undefined ? {} : images[image]
    if (known === undefined) return fail(`agent operation failed: pull image: ${image}: manifest unknown`)
    return Effect.succeed({
      ...Pack.empty,
      image,
      entrypoint: known.entrypoint ?? [],
      cmd: known.cmd ?? [],
      env: Object.entries(known.env ?? {}).map((own) => own.join("=")),
      workdir: known.workdir ?? null,
      files: inBase64(
        Object.entries(known.files ?? {}).map(
          ([path, content]) => [path, typeof content === "string" ? Buffer.from(content) : content] as const
        )
      )
    })
  })

const ofMachine = (call: Call, name: string): Effect.Effect<PackManifest, Stop> =>
  Effect.gen(function* () {
    const machine = yield* find(call, name)
    if (machine.state !== "stopped" && machine.state !== "created") {
      return yield* fail(`invalid vm state: expected stopped, got ${machine.state}`)
    }
    if (machine.isLocalImage) {
      return yield* fail(`config operation failed: pack create: machine '${name}' was made from a local archive`)
    }
    return {
      mode: machine.image === null ? "vm" : "container",
      image: machine.image,
      entrypoint: machine.entrypoint,
      cmd: machine.cmd,
      env: machine.env.map((own) => own.join("=")),
      workdir: machine.workdir,
      cpus: machine.cpus,
      mem: machine.memoryMib,
      network: machine.network,
      gpu: machine.gpu,
      files: inBase64([...machine.files])
    }
  })

const inBase64 = (files: ReadonlyArray<readonly [string, Uint8Array]>): Readonly<Record<string, string>> =>
  Object.fromEntries(files.map(([path, bytes]) => [path, Buffer.from(bytes).toString("base64")]))

const write = (call: Call, path: string, bytes: Uint8Array): Effect.Effect<void, Stop> =>
  Effect.suspend(() => {
    const problem = call.world.host.write(hostPath(call, path), bytes)
    return problem === undefined ? Effect.void : fail(`io operation failed: write ${path}: ${problem}`)
  })

/** `pack run`: in a machine that is gone with its command. It has no allow options. */
export const run = (call: Call): Effect.Effect<Done, Stop> =>
  Effect.gen(function* () {
    const path = one(call, "--sidecar")
    // Without it smolvm takes what is attached to its own program, where that is a packed one.
    if (path === undefined) return yield* fail("config operation failed: pack run: there is no pack: use --sidecar")
    const manifest = yield* Pack.open(call, path)
    if (has(call, "--info")) return done(`${JSON.stringify(shown(manifest), null, 2)}\n`)
    const name = `pack-${call.world.nextPid().toString(16).padStart(8, "0")}`
    const network = manifest.network || has(call, "--net") || has(call, "--port")
    const machine = {
      ...blank(name),
      ephemeral: true,
      from: path,
      image: manifest.image,
      entrypoint: manifest.entrypoint,
      cmd: manifest.cmd,
      env: pairs(manifest.env),
      workdir: manifest.workdir,
      cpus: number(call, "--cpus") ?? manifest.cpus,
      memoryMib: number(call, "--mem") ?? manifest.mem,
      volumes: all(call, "--volume").map(volume),
      ports: all(call, "--port").map(port),
      network,
      netBackend: network ? ("tsi" as const) : null,
      files: new Map(Object.entries(manifest.files).map(([file, text]) => [file, Buffer.from(text, "base64")]))
    }
    yield* World.put(call.world, machine)
    return yield* ephemeral(call, { ...call, moment: () => Effect.void }, machine)
  })

/** A manifest without what only the fake keeps in it. */
const shown = (manifest: PackManifest) => ({ ...manifest, files: undefined })

const reference = (call: Call): string => call.invocation.positionals[0] ?? ""

/** `pack push`. */
export const push = (call: Call): Effect.Effect<Done, Stop> =>
  Effect.gen(function* () {
    const path = one(call, "--file") ?? ""
    const manifest = yield* Pack.open(call, path)
    yield* call.moment("half-way")
    call.world.registry.set(reference(call), Pack.encode(manifest))
    return done(`Pushed ${reference(call)}\n`)
  })

const stored = (call: Call): Effect.Effect<Uint8Array, Stop> =>
  Effect.suspend(() => {
    const bytes = call.world.registry.get(reference(call))
    return bytes === undefined
      ? fail(`storage operation failed: registry: ${reference(call)}: manifest unknown`)
      : Effect.succeed(bytes)
  })

/** `pack pull`. */
export const pull = (call: Call): Effect.Effect<Done, Stop> =>
  Effect.gen(function* () {
    const bytes = yield* stored(call)
    const name = reference(call).split("/").at(-1)?.split(":")[0] ?? "pack"
    const output = one(call, "--output") ?? `${name}.smolmachine`
    yield* call.moment("half-way")
    yield* write(call, output, bytes)
    return done(`Pulled ${reference(call)} to ${output}\n`)
  })

/** `pack inspect`. */
export const inspect = (call: Call): Effect.Effect<Done, Stop> =>
  Effect.gen(function* () {
    const bytes = yield* stored(call)
    const manifest = shown(Pack.decode(bytes) ?? Pack.empty)
    const layer = { layer_size: bytes.length, layer_digest: digestOf(new TextDecoder().decode(bytes)) }
    return has(call, "--json")
      ? done(`${JSON.stringify({ ...manifest, ...layer }, null, 2)}\n`)
      : done(`Mode: ${manifest.mode}\nImage: ${manifest.image ?? "-"}\nSize: ${layer.layer_size}\n`)
  })

/** `pack prune`: of a cache in which there is never anything here. */
export const prune = (call: Call): Effect.Effect<Done, Stop> =>
  Effect.succeed(done(has(call, "--dry-run") ? "Nothing to prune\n" : "Freed 0 bytes\n"))
