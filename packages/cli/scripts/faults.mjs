// `pnpm faults --runs 1000`: the faults of test/faults at length, with the programs as they are bundled now.
import { execFileSync } from "node:child_process"
import * as fs from "node:fs"
import { builtinModules } from "node:module"
import * as path from "node:path"
import { pathToFileURL } from "node:url"
import { rolldown } from "rolldown"
import { isFresh, root } from "./stamp.mjs"

const cli = path.join(root, "packages/cli")
if (!isFresh()) {
  execFileSync(process.execPath, [path.join(cli, "scripts/bundle.mjs"), "--quiet"], { stdio: "inherit" })
}

const builtins = new Set(builtinModules.flatMap((name) => [name, `node:${name}`]))
// Below the package, so that what is not bundled is found, and as deep as the tests are, which look for the programs.
const file = path.join(cli, `.build/faults/${process.pid}.mjs`)
const build = await rolldown({
  input: path.join(cli, "test/faults/main.ts"),
  cwd: root,
  platform: "node",
  logLevel: "warn",
  resolve: { conditionNames: ["@bottle/source", "import", "node", "default"] },
  external: (id) => builtins.has(id) || (/^[@a-z]/.test(id) && !id.startsWith("@bottle/"))
})
fs.mkdirSync(path.dirname(file), { recursive: true })
const { output } = await build.generate({ format: "esm", codeSplitting: false })
await build.close()
fs.writeFileSync(file, output[0].code)
process.on("exit", () => fs.rmSync(file, { force: true }))
await import(pathToFileURL(file).href)
