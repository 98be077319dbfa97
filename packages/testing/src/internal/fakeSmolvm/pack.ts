import * as Effect from "effect/Effect"
import { type Call, fail, hostPath, type Stop } from "./call.js"

/** What a pack holds. In memory it is its manifest as JSON behind a word that no other file begins with. */
export interface Manifest {
  readonly mode: "container" | "vm"
  readonly image: string | null
  readonly entrypoint: ReadonlyArray<string>
  readonly cmd: ReadonlyArray<string>
  readonly env: ReadonlyArray<string>
  readonly workdir: string | null
  readonly cpus: number
  readonly mem: number
  readonly network: boolean
  readonly gpu: boolean
  /** The files of the guest, as base64 by path. */
  readonly files: Readonly<Record<string, string>>
}

const MAGIC = "SMOLMACHINE"

export const empty: Manifest = {
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

export const encode = (manifest: Manifest): Uint8Array =>
  new TextEncoder().encode(`${MAGIC}\n${JSON.stringify(manifest)}\n`)

export const decode = (bytes: Uint8Array): Manifest | undefined => {
  const text = new TextDecoder().decode(bytes)
  if (!text.startsWith(`${MAGIC}\n`)) return undefined
  const parsed: Manifest = { ...empty, ...JSON.parse(text.slice(MAGIC.length)) }
  return parsed
}

/** Reads a pack from the host. */
export const open = (call: Call, path: string): Effect.Effect<Manifest, Stop> =>
  Effect.suspend(() => {
    const bytes = call.world.host.read(hostPath(call, path))
    if (bytes === undefined) return fail(`io operation failed: open ${path}: No such file or directory (os error 2)`)
    const manifest = decode(bytes)
    return manifest === undefined
      ? fail(`storage operation failed: read pack: ${path} is no .smolmachine file`)
      : Effect.succeed(manifest)
  })
