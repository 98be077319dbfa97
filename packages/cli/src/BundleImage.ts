/**
 * The image of a container bundle: the one that was named, or one that is built from the files beside this program.
 *
 * @since 0.1.0
 */
import type { ContainerSettings } from "@bottle/engine/Engine"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import { createHash } from "node:crypto"
import * as Path from "node:path"
import type { ContainerChoice } from "./RunRequest.js"

/** Any image with Node.js 20 or newer does; where it is pulled from is the engine's own configuration. */
const BASE = "node:22-slim"

const TAG_CHARS = 16

/**
 * What a container bundle is made with, or `null` where there is neither an image's name nor the files to build one.
 *
 * An image of ours is tagged by what it is made of, so that another version of this program never runs an old one.
 *
 * @since 0.1.0
 * @category constructors
 */
export const settings = (
  choice: ContainerChoice,
  programDirectory: string
): Effect.Effect<ContainerSettings | null, never, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const { base, image, program } = choice
    if (image !== null && base === null) return { program, image, build: null }
    const build = {
      dockerfile: Path.join(programDirectory, "bundle", "Dockerfile"),
      program: Path.join(programDirectory, "bundle", "bottle-bundle.mjs"),
      base: base ?? BASE
    }
    const files = yield* Effect.all([fs.readFile(build.dockerfile), fs.readFile(build.program)])
    const hash = createHash("sha256").update(build.base)
    // Lengths too, so that no two pairs of files read alike.
    for (const file of files) hash.update(`\0${file.length}\0`).update(file)
    return { program, image: image ?? `bottle-bundle:${hash.digest("hex").slice(0, TAG_CHARS)}`, build }
  }).pipe(Effect.orElseSucceed(() => null))
