// Writes docs/reference/manifest.schema.json from the compiled sources: npx tsc -b packages/engine, then this.
import { execFileSync } from "node:child_process"
import * as fs from "node:fs"
import { fileURLToPath } from "node:url"
import { schema } from "../dist/ManifestSchema.js"

const here = (path) => fileURLToPath(new URL(path, import.meta.url))
const file = here("../../../docs/reference/manifest.schema.json")

fs.writeFileSync(file, JSON.stringify(schema))
execFileSync(here("../../../node_modules/.bin/oxfmt"), [file], { cwd: here("../../.."), stdio: "inherit" })
