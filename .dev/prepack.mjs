// Before a package is packed: what it holds is built from its sources of now, and nothing else is in it.
import { execFileSync } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import { bundles, isFresh, root } from "../packages/cli/scripts/stamp.mjs"

const directory = process.cwd()
const dist = path.join(directory, "dist")
const sources = path.join(directory, "src")

execFileSync(path.join(root, "node_modules/.bin/tsc"), ["-b", "tsconfig.src.json"], {
  cwd: directory,
  stdio: "inherit"
})
if (bundles.some(({ file }) => path.dirname(file) === dist) && !isFresh()) {
  execFileSync(process.execPath, [path.join(root, "packages/cli/scripts/bundle.mjs"), "--quiet"], { stdio: "inherit" })
}

// The compiler leaves behind what it has made of a module that is gone.
for (const entry of fs.readdirSync(dist, { recursive: true, withFileTypes: true })) {
  const file = path.join(entry.parentPath, entry.name)
  const module = path.relative(dist, file).replace(/\.(js|d\.ts)(\.map)?$/, "")
  const isCompiled = module !== path.relative(dist, file)
  if (entry.isFile() && isCompiled && !fs.existsSync(path.join(sources, `${module}.ts`))) fs.rmSync(file)
}
