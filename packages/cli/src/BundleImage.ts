/**
 * The image of a container bundle: the one that was named, or one that is built from the files beside this program.
 *
 * @since 0.1.0
 */
import * as BundleImage from "@bottle/engine/BundleImage"
import type { ContainerSettings } from "@bottle/engine/Engine"
import type * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import * as Path from "node:path"
import type { ContainerChoice } from "./RunRequest.js"

/** Any image with Node.js 20 or newer does; where it is pulled from is docker's own configuration. */
const BASE = "node:22-slim"

/**
 * What a container bundle is made with, or `null` where there is neither an image's name nor the files to build one.
 *
 * @since 0.1.0
 * @category constructors
 */
export const settings = (
  { base, image, program }: ContainerChoice,
  programDirectory: string
): Effect.Effect<ContainerSettings | null, never, FileSystem.FileSystem> => {
  if (image !== null && base === null) return Effect.succeed({ program, image, build: null })
  const build = {
    dockerfile: Path.join(programDirectory, "bundle", "Dockerfile"),
    program: Path.join(programDirectory, "bundle", "bottle-bundle.mjs"),
    base: base ?? BASE
  }
  return BundleImage.reference(build).pipe(
    Effect.map((reference) => ({ program, image: image ?? reference, build })),
    Effect.orElseSucceed(() => null)
  )
}
