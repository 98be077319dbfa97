import { assert, describe, it } from "@effect/vitest"
import * as Fs from "node:fs"
import { failureLines, type Home, inHome, ordinary } from "./harness.js"

const TIMEOUT_MILLIS = 60_000

const manifest = `{
  // The user's own.
  "bottle": "dev",
  "bottles": {
    "dev": { "runtime": "local", "env": { "WHO": "manifest", "KEY": { "from": "E2E_KEY" } } },
  },
  "agents": {
    "listener": { "command": ["cat"], "prompt": "stdin", },
    "speaker": { "command": ["sh", "-c", "echo \\"$WHO: $1\\"", "speaker"], "env": { "WHO": "agent" } },
  },
}
`

/** What somebody else left in the directory that the line is typed in. */
const planted = `{ "bottle": "evil", "bottles": { "evil": { "env": { "WHO": "planted" } } } }`

const write = (home: Home): string => {
  const directory = home.path("config/bottle")
  Fs.mkdirSync(directory, { recursive: true, mode: 0o700 })
  Fs.writeFileSync(`${directory}/bottle.json`, manifest, { mode: 0o600 })
  Fs.writeFileSync(home.path("work/bottle.json"), planted)
  home.own()
  return `${directory}/bottle.json`
}

describe("a manifest", () => {
  it(
    "of the user's is what a launch begins with, and no other",
    () =>
      inHome(ordinary, async (home) => {
        const file = write(home)
        const env = { XDG_CONFIG_HOME: home.path("config"), E2E_KEY: "s3cret-value" }
        const bottle = (...args: ReadonlyArray<string>) => home.start(args, { env }).ended
        const said = await bottle("run", "-q", "--", "sh", "-c", 'echo "$WHO $KEY"')
        assert.deepStrictEqual([said.code, said.stdout.toString()], [0, "manifest s3cret-value\n"], said.stderr)

        const heard = await bottle("run", "-q", "--agent", "listener", "--", "say", "this")
        assert.deepStrictEqual([heard.code, heard.stdout.toString()], [0, "say this"], heard.stderr)

        const plan = await bottle("plan", "--agent", "listener")
        assert.match(plan.stdout.toString(), /^ {2}env\.WHO +"manifest" +# bottles\.dev$/m)
        assert.match(plan.stdout.toString(), /^ {2}env\.KEY +\$E2E_KEY, a secret +# bottles\.dev$/m)
        assert.notInclude(`${plan.stdout.toString()}${plan.stderr}`, "s3cret-value")

        // Without a terminal nobody can be asked, and a guest may not write what the next bottle is allowed.
        const silent = await bottle("run", "--agent", "speaker")
        assert.strictEqual(silent.code, 2)
        assert.include(silent.stderr, "--agent speaker was given no prompt, and there is no terminal to ask for one")
        const mounted = await bottle("run", "-v", `${home.path("config")}:/c`, "--", "true")
        assert.strictEqual(mounted.code, 125)
        assert.deepStrictEqual(failureLines(mounted.stderr), [
          `bottle: ${file}: the guest can change the manifest, below -v ${home.path("config")}`,
          "try: Keep the manifest outside of what the guest can write to, or mount that with :ro."
        ])
      }),
    TIMEOUT_MILLIS
  )
})
