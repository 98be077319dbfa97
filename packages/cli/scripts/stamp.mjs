// Says whether a bundle is newer than its sources without reading them: the stamp is a hash of every source's path, size
// and time, and stands in the bundle itself, so that bundle and stamp are replaced by one rename.
import { createHash } from "node:crypto"
import * as fs from "node:fs"
import * as path from "node:path"
import { fileURLToPath } from "node:url"

export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../../..")

const packages = path.join(root, "packages")
const MARK = "// stamp: "
const HEAD_BYTES = 256

/** What a failure names as the place to read on, which is beside the programs wherever they are copied to. */
export const reference = {
  from: path.join(root, "docs/reference/errors.md"),
  to: path.join(packages, "cli/dist/docs/reference/errors.md")
}

/** What is bundled: one file for each program, from its package's own entry. */
export const bundles = [
  { entry: path.join(packages, "cli/src/bin.ts"), file: path.join(packages, "cli/dist/bottle.mjs") },
  { entry: path.join(packages, "cli/src/keeperBin.ts"), file: path.join(packages, "cli/dist/bottle-keeper.mjs") },
  { entry: path.join(packages, "local/src/bin.ts"), file: path.join(packages, "local/dist/smolvm-local.mjs") },
  {
    entry: path.join(packages, "bundle/src/bin.ts"),
    file: path.join(packages, "bundle/dist/bottle-bundle.mjs"),
    image: { dockerfile: path.join(packages, "bundle/Dockerfile"), directory: path.join(packages, "cli/dist/bundle") }
  }
].filter((bundle) => fs.existsSync(bundle.entry))

/** The files of the directory that an image is built from: beside the program that builds it, wherever that is copied. */
export const imageFiles = ({ file, image }) =>
  image === undefined
    ? []
    : [image.dockerfile, file].map((from) => ({ from, to: path.join(image.directory, path.basename(from)) }))

const walk = (at, found) => {
  for (const entry of fs.readdirSync(at, { withFileTypes: true })) {
    const child = path.join(at, entry.name)
    if (entry.isDirectory()) walk(child, found)
    else found.push(child)
  }
  return found
}

const inputs = () => {
  const found = [path.join(root, "pnpm-lock.yaml"), reference.from]
  for (const { image } of bundles) if (image !== undefined) found.push(image.dockerfile)
  walk(path.join(packages, "cli/scripts"), found)
  for (const name of fs.readdirSync(packages)) {
    const source = path.join(packages, name, "src")
    if (!fs.existsSync(source)) continue
    found.push(path.join(packages, name, "package.json"))
    walk(source, found)
  }
  return found.sort()
}

/** The stamp of the sources as they are now. */
export const current = () => {
  const hash = createHash("sha256")
  for (const file of inputs()) {
    const { mtimeMs, size } = fs.statSync(file)
    hash.update(`${path.relative(root, file)}\0${size}\0${mtimeMs}\n`)
  }
  return hash.digest("hex")
}

/** The first lines of a bundle, with the stamp if one is given. */
export const head = (stamp) => `#!/usr/bin/env node\n${stamp === undefined ? "" : `${MARK}${stamp}\n`}`

const read = (file) => {
  let descriptor
  try {
    descriptor = fs.openSync(file, "r")
  } catch {
    return undefined
  }
  const bytes = Buffer.alloc(HEAD_BYTES)
  const length = fs.readSync(descriptor, bytes, 0, HEAD_BYTES, 0)
  fs.closeSync(descriptor)
  return bytes
    .toString("utf8", 0, length)
    .split("\n")
    .find((line) => line.startsWith(MARK))
    ?.slice(MARK.length)
}

/** Whether every bundle was made from the sources as they are now. */
export const isFresh = () => {
  const stamp = current()
  return (
    fs.existsSync(reference.to) &&
    bundles.every((bundle) => read(bundle.file) === stamp && imageFiles(bundle).every(({ to }) => fs.existsSync(to)))
  )
}
