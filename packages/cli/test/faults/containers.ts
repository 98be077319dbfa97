/** The images of the bottles whose bundle is in a container, made once for all runs of all faults. */
import type { Home } from "../e2e/harness.js"
import { flags, type Images, makeImages, setupsOf } from "../e2e/bundles.js"

let made: Promise<Images | undefined> | undefined

const [setup] = setupsOf("container")

/** Why no bundle can be in a container here. */
export const lacking = (): string | undefined => setup?.lacks

/** The flags of a bottle whose bundle is in a container. */
export const containerFlags = async (): Promise<ReadonlyArray<string>> => {
  made ??= makeImages()
  const images = await made
  if (setup === undefined || images === undefined) throw new Error("there is no docker daemon")
  return flags(setup, images)
}

/** Removes the images, where any were made. */
export const close = async (): Promise<void> => {
  await (await made)?.close()
  made = undefined
}

/** The environment variable with which a home's programs find the daemon. */
export const daemon = (home: Home): string | undefined => home.env["DOCKER_HOST"]
