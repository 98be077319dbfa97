// `pnpm canary --program PATH`: whether the grammar data still say what an installed smolvm's help says.
import * as fs from "node:fs"
import { builtinModules } from "node:module"
import { fileURLToPath, pathToFileURL } from "node:url"
import { rolldown } from "rolldown"

const at = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url))
const builtins = new Set(builtinModules.flatMap((name) => [name, `node:${name}`]))
const build = await rolldown({
  input: at("test/canary/main.ts"),
  cwd: at(""),
  platform: "node",
  logLevel: "warn",
  resolve: { conditionNames: ["@bottle/source", "import", "node", "default"] },
  external: (id) => builtins.has(id)
})
const { output } = await build.generate({ format: "esm", codeSplitting: false })
await build.close()

const file = at(`.build/canary/${process.pid}.mjs`)
fs.mkdirSync(at(".build/canary"), { recursive: true })
fs.writeFileSync(file, output[0].code)
process.on("exit", () => fs.rmSync(file, { force: true }))
await import(pathToFileURL(file).href)
