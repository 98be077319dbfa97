// Bundles the programs, each into one file that needs nothing but Node: `node packages/cli/scripts/bundle.mjs`.
import * as fs from "node:fs"
import { builtinModules } from "node:module"
import * as path from "node:path"
import { rolldown } from "rolldown"
import { bundles, current, head, imageFiles, reference, root } from "./stamp.mjs"

const builtins = new Set(builtinModules.flatMap((name) => [name, `node:${name}`]))

const replace = (file, content, mode) => {
  fs.mkdirSync(path.dirname(file), { recursive: true })
  const temporary = `${file}.${process.pid}.tmp`
  try {
    fs.writeFileSync(temporary, content, { mode })
    fs.renameSync(temporary, file)
  } finally {
    fs.rmSync(temporary, { force: true })
  }
}

const bundle = async (one, stamp) => {
  const { entry, file } = one
  const build = await rolldown({
    input: entry,
    cwd: root,
    platform: "node",
    optimization: { pifeForModuleWrappers: false },
    logLevel: "warn",
    resolve: {
      conditionNames: ["@bottle/source", "import", "node", "default"],
      // The main file of a package without exports may ask for others in a way that no bundler sees.
      mainFields: ["module", "main"]
    },
    external: (id) => builtins.has(id)
  })
  const { output } = await build.generate({ format: "esm", minify: true, codeSplitting: false })
  await build.close()
  const [chunk, ...others] = output
  // A second file or an import that is not Node's own would be missing wherever the one file is copied to.
  const foreign = [...chunk.imports, ...chunk.dynamicImports].filter((id) => !builtins.has(id))
  if (others.length > 0 || foreign.length > 0) {
    const names = [...others.map((other) => other.fileName), ...foreign]
    throw new Error(`${path.relative(root, file)} would not stand alone: ${names.join(", ")}`)
  }
  const code = chunk.code.replace(/^#!.*\n/, "")
  // Without the stamp, so that an image of the same sources has the same content; and before the file that has it.
  for (const { from, to } of imageFiles(one)) {
    if (from === file) replace(to, head() + code, 0o755)
    else replace(to, fs.readFileSync(from), 0o644)
  }
  replace(file, head(stamp) + code, 0o755)
  return code.length
}

// Taken before anything is read: a source that changes while its bundle is made leaves a bundle that is stale.
const stamp = current()
replace(reference.to, fs.readFileSync(reference.from), 0o644)
for (const one of bundles) {
  const size = await bundle(one, stamp)
  if (!process.argv.includes("--quiet")) console.log(`${path.relative(root, one.file)} ${Math.round(size / 1024)} kB`)
}
