/**
 * Where the pack of an image is kept.
 *
 * @since 0.1.0
 */
import { createHash } from "node:crypto"

/**
 * What makes two packs differ: the runtime's version, the machine's architecture and the image's reference. Each has
 * its own file, so that a change of runtime never boots an older runtime's pack.
 *
 * @since 0.1.0
 * @category models
 */
export interface PackKey {
  readonly version: string
  readonly arch: string
  readonly reference: string
}

/**
 * The path of a pack below the cache directory: a readable part of the reference and 16 hexadecimal digits of the
 * whole key's SHA-256. `pack create -o X` writes `X` and `X.smolmachine`; this is the second.
 *
 * @since 0.1.0
 * @category constructors
 */
export const path = (cacheDirectory: string, key: PackKey): string => {
  const digest = createHash("sha256")
    .update(JSON.stringify([key.version, key.arch, key.reference]))
    .digest("hex")
  const readable = key.reference
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-+|-+$/g, "")
    .slice(-40)
  return `${cacheDirectory}/packs/${readable}-${digest.slice(0, 16)}.smolmachine`
}
