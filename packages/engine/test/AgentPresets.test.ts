import * as Policy from "@bottle/egress/Policy"
import * as Temp from "@bottle/testing/Temp"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import { execFileSync } from "node:child_process"
import * as Fs from "node:fs"
import { presets } from "../src/AgentPresets.js"
import { Agent } from "../src/Manifest.js"

/** What the program of a preset is given, by the shell that the preset starts it with. */
const given = (home: string, words: ReadonlyArray<string>): ReadonlyArray<string> => {
  Fs.writeFileSync(`${home}/codex`, '#!/bin/sh\nfor word in "$@"; do printf "%s\\0" "$word"; done\n', { mode: 0o755 })
  const [program = "", ...rest] = presets.codex.command ?? []
  const env = { PATH: `${home}:/usr/bin:/bin`, OPENAI_BASE_URL: "http://127.0.0.1:3128/credentials/openai" }
  const output = execFileSync(program, [...rest, ...words], { cwd: home, encoding: "utf8", env })
  return output.split("\0").slice(0, -1)
}

describe("presets", () => {
  for (const [name, preset] of Object.entries(presets)) {
    it(`${name} is what a manifest could hold, and its credential what a policy could`, () => {
      const encoded: unknown = JSON.parse(JSON.stringify(preset))
      assert.deepStrictEqual(Schema.decodeUnknownSync(Agent, { onExcessProperty: "error" })(encoded), preset)
      const policy = Either.getOrThrow(Policy.fromDocument({ credentials: preset.credentials ?? {} }))
      assert.strictEqual(policy.credentials.size, 1)
      // The guest itself reaches nothing.
      assert.deepStrictEqual(policy.allow, [])
    })
  }

  it.live("codex is given its base URL by its configuration, and a prompt that no shell reads", () =>
    Temp.withTempDir((home) =>
      Effect.sync(() => {
        const provider =
          "model_providers.bottle={ name = 'bottle', base_url = 'http://127.0.0.1:3128/credentials/openai', env_key = 'OPENAI_API_KEY', wire_api = 'responses' }"
        const alone = given(home, [])
        assert.deepStrictEqual(alone.slice(0, 4), ["-c", "model_provider=bottle", "-c", provider])
        assert.notInclude(alone, "exec")
        const hostile = "$(touch made); `touch made` ' \" \\ \n-c x"
        assert.deepStrictEqual(given(home, [hostile]).slice(-3), ["exec", "--skip-git-repo-check", hostile])
        assert.isFalse(Fs.existsSync(`${home}/made`))
      })
    )
  )
})
