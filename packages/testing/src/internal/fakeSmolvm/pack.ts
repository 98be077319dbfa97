import * as Effect from "effect/Effect"
import type { PackManifest } from "../../FakeSmolvm.js"
import { type Call, fail, hostPath, type Stop } from "./call.js"

// In memory a pack is its manifest as JSON, behind a word that no other file begins with.
const MAGIC = "SMOLMACHINE"

export const empty: PackManifest = {
  mode: "container",
  image: null,
  entrypoint: [],
  cmd: [],
  env: [],
  workdir: null,
  cpus: 4,
  mem: 8192,
  network: false,
  gpu: false,
  files: {}
}

export const encode = (manifest: PackManifest): Uint8Array =>
  new TextEncoder().encode(`${MAGIC}\n${JSON.stringify(manifest)}\n`)

export const decode = (bytes: Uint8Array): PackManifest | undefined => {
  const text = new TextDecoder().decode(bytes)
  if (!text.startsWith(`${MAGIC}\n`)) return undefined
  const parsed: PackManifest = { ...empty, ...JSON.parse(text.slice(MAGIC.length)) }
  return parsed
}

/** Reads a pack from the host. */
export const open = (call: Call, path: string): Effect.Effect<PackManifest, Stop> =>
  Effect.suspend(() => {
    const bytes = call.world.host.read(hostPath(call, path))
    if (bytes === undefined) return fail(`io operation failed: open ${path}: No such file or directory (os error 2)`)
    const manifest = decode(bytes)
    return manifest === undefined
      ? fail(`storage operation failed: read pack: ${path} is no .smolmachine file`)
      : Effect.succeed(manifest)
  })
