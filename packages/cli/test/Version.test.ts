import { VERSION } from "@bottle/cli/Version"
import { assert, it } from "@effect/vitest"
import * as Fs from "node:fs"

it("is the version of the package", () => {
  const manifest = Fs.readFileSync(new URL("../package.json", import.meta.url), "utf8")
  assert.strictEqual(JSON.parse(manifest).version, VERSION)
})
