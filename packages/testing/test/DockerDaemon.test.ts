import * as DockerDaemon from "@bottle/testing/DockerDaemon"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as ChildProcess from "node:child_process"
import { randomUUID } from "node:crypto"

const docker = (...args: ReadonlyArray<string>): string =>
  ChildProcess.execFileSync("docker", args, { encoding: "utf8" }).trim()

describe.skipIf(!DockerDaemon.answers())("DockerDaemon", { timeout: 60_000 }, () => {
  it.live("imports an image whose programs run", () =>
    Effect.gen(function* () {
      const name = yield* Effect.scoped(
        Effect.gen(function* () {
          const image = yield* DockerDaemon.image({ programs: ["node", "sh"] })
          const words = ["run", "--rm", "--network", "none", "--pull", "never", image]
          assert.strictEqual(docker(...words, "node", "-p", "6 * 7"), "42")
          return image
        })
      )
      assert.strictEqual(docker("image", "ls", "--quiet", name), "")
    })
  )

  it.live("finds what bears a label, and removes it with the scope", () =>
    Effect.gen(function* () {
      const id = randomUUID()
      const label = `bottle.test=${id}`
      yield* Effect.scoped(
        Effect.gen(function* () {
          const image = yield* DockerDaemon.image({ programs: ["sleep"] })
          yield* DockerDaemon.removing(label)
          assert.deepStrictEqual(yield* DockerDaemon.labelled(label), [])
          docker("network", "create", "--subnet", "10.213.0.0/28", "--label", label, `bottle-${id}`)
          const words = ["run", "--detach", "--pull", "never", "--label", label, "--network", `bottle-${id}`]
          docker(...words, "--name", `bottle-${id}`, image, "sleep", "60")
          const found = [`container bottle-${id}`, `network bottle-${id}`]
          assert.deepStrictEqual(yield* DockerDaemon.labelled(label), found)
        })
      )
      assert.deepStrictEqual(yield* DockerDaemon.labelled(label), [])
    })
  )

  it("knows its clients, the one that is used first", () => {
    const [first] = DockerDaemon.clients()
    assert.strictEqual(first?.version, docker("version", "--format", "{{.Client.Version}}"))
  })
})
