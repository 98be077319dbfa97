/** Bottles that are used, taken down and cleaned up from a shell with another environment than they were brought up in. */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as ChildProcess from "node:child_process"
import * as Fs from "node:fs"
import type { Images } from "./bundles.js"
import { flags, makeImages, setupsOf, titled } from "./bundles.js"
import { abandon, TIMEOUT_MILLIS } from "./detached.js"
import { type Home, inHome, ordinary } from "./harness.js"

let images: Images | undefined
beforeAll(async () => {
  images = await makeImages()
}, TIMEOUT_MILLIS)
afterAll(() => images?.close())

type Environment = Record<string, string>

const bottleIn =
  (home: Home, env: Environment) =>
  async (...args: ReadonlyArray<string>): Promise<string> => {
    const { code, stderr, stdout } = await home.start(args, { env }).ended
    assert.strictEqual(code, 0, `bottle ${args.join(" ")}: ${stderr}`)
    return stdout.toString()
  }

/** A runtime that keeps its machines where a variable says, as smolvm does. */
const runtimeOf = (home: Home): string =>
  home.program(
    "elsewhere",
    `#!/bin/sh\nXDG_STATE_HOME="\${SMOLVM_DATA_DIR:-$HOME/data}" exec '${home.node}' '${home.path("smolvm-local.mjs")}' "$@"\n`
  )

/** Two shells: the ledgers are where both of them look, and the machines are not. */
const shellsOf = (home: Home) => {
  const XDG_STATE_HOME = home.path("home/.local/state")
  return {
    here: bottleIn(home, { XDG_STATE_HOME, SMOLVM_DATA_DIR: home.path("home/a") }),
    there: bottleIn(home, { XDG_STATE_HOME, SMOLVM_DATA_DIR: home.path("home/b"), HOME: home.path("work") })
  }
}

const machinesIn = (home: Home, name: string): ReadonlyArray<string> => {
  const directory = home.path(`home/${name}/bottle/local/machines`)
  return Fs.existsSync(directory) ? Fs.readdirSync(directory) : []
}

/** A docker that has nothing: each thing that it is asked for is not there. */
const EMPTY = `#!/bin/sh
case "$1 $2" in
  *" ls") exit 0 ;;
  network*) echo "Error response from daemon: network $5 not found" >&2 ;;
  *) echo "Error response from daemon: No such container: $5" >&2 ;;
esac
exit 1
`

describe.concurrent("a bottle of another shell's environment", { timeout: TIMEOUT_MILLIS }, () => {
  it("is used and taken down", () =>
    inHome(ordinary, async (home) => {
      const runtime = runtimeOf(home)
      const { here, there } = shellsOf(home)
      const id = (await here("up", "-q", "--runtime", runtime)).trim()
      assert.lengthOf(machinesIn(home, "a"), 1)
      assert.strictEqual(await there("exec", id, "--", "echo", "here"), "here\n")
      const [listed] = JSON.parse(await there("ls", "--format", "json")).bottles
      // Not "missing": it is looked for where it is. What is slow to answer says nothing.
      assert.include(["running", null], listed.machine.state)
      await there("down", id)
      assert.deepStrictEqual(machinesIn(home, "a"), [])
    }))

  it("is not taken for gone when its owner has died", () =>
    inHome(ordinary, async (home) => {
      const runtime = runtimeOf(home)
      const { here, there } = shellsOf(home)
      const id = (await here("up", "-q", "--runtime", runtime)).trim()
      await abandon(home, id)
      assert.lengthOf(machinesIn(home, "a"), 1)
      await there("cleanup")
      assert.deepStrictEqual(machinesIn(home, "a"), [])
    }))

  for (const setup of setupsOf("container")) {
    it.skipIf(setup.lacks !== undefined)(titled("is not taken for gone by another docker", setup), () =>
      inHome(setup.user, async (home) => {
        const empty = home.path("empty")
        Fs.mkdirSync(empty)
        Fs.writeFileSync(`${empty}/docker`, EMPTY, { mode: 0o755 })
        const there = bottleIn(home, { PATH: `${empty}:${home.env["PATH"]}`, DOCKER_HOST: "unix:///nobody.sock" })
        const id = (await bottleIn(home, {})("up", "-q", ...flags(setup, images), "--allow", "a.test")).trim()
        await abandon(home, id)
        const contained = () =>
          ChildProcess.spawnSync("docker", ["ps", "--all", "--quiet", "--filter", `label=${home.label}`], {
            encoding: "utf8"
          }).stdout.trim()
        assert.notStrictEqual(contained(), "")
        await there("cleanup")
        assert.strictEqual(contained(), "")
      })
    )
  }
})
