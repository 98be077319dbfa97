import * as Either from "effect/Either"
import { RuntimeUnfit } from "../LaunchError.js"
import type { MachineSource } from "../LaunchOptions.js"
import type { PlanInput, PlannedSource } from "../LaunchPlan.js"
import * as PackKey from "../PackKey.js"

/** A path names a rootfs or an archive, anything else is for a registry. */
const isLocalImage = (reference: string): boolean => /^\.{0,2}\//.test(reference)

/** What the machine boots from. */
export const planSource = (input: PlanInput): Either.Either<PlannedSource, RuntimeUnfit> => {
  const { capabilities, options, settings } = input
  const source: MachineSource = options.source
  if (source._tag === "Bare") return Either.right({ _tag: "Bare" })
  if (source._tag === "Pack") return Either.right({ _tag: "Pack", path: source.path, madeFrom: null })
  const { reference } = source
  if (isLocalImage(reference)) {
    return capabilities.localImages
      ? Either.right({ _tag: "Image", reference })
      : Either.left(
          new RuntimeUnfit({
            version: capabilities.version,
            demand: `the image ${reference}`,
            reason: "it takes no archive or directory as an image (--image)",
            advice: "Use smolvm 1.1.0 or newer, or an image of a registry."
          })
        )
  }
  if (settings.runtime === "local") {
    return Either.left(
      new RuntimeUnfit({
        version: capabilities.version,
        demand: `the image ${reference}`,
        reason: "the local runtime has no registry to pull from",
        advice: "Give a directory or tar archive (--image ./rootfs), leave --image out, or install smolvm."
      })
    )
  }
  // An image is pulled inside the guest at its first start, where there is no network: so it is made into a pack first.
  const path = PackKey.path(settings.directories.cache, {
    version: capabilities.version,
    arch: settings.arch,
    reference
  })
  const partial = `${settings.directories.cache}/packs/.partial-${input.id}`
  return Either.right({ _tag: "Pack", path, madeFrom: { reference, partial, refresh: options.refreshPack === true } })
}
