// Writes docs/reference/smolvm/ from the code, a page for each subcommand: npx tsc -b packages/smolvm, then this.
import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { pagesOf } from "./reference/index.mjs"

const at = (path) => fileURLToPath(new URL(path, import.meta.url))
const load = (path) => import(new URL(`../dist/${path}.js`, import.meta.url).href)

const { pages, problems } = await pagesOf(at("../src/"), load)
if (problems.length > 0) throw new Error(problems.join("\n"))

const directory = at("../../../docs/reference/smolvm/")
mkdirSync(directory, { recursive: true })
for (const name of readdirSync(directory)) if (!pages.has(name)) rmSync(directory + name)
for (const [name, text] of pages) writeFileSync(directory + name, text)
