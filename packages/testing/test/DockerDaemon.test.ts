import * as DockerDaemon from "@bottle/testing/DockerDaemon"
import { assert, describe, it, vi } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as ChildProcess from "node:child_process"
import { randomUUID } from "node:crypto"

const docker = (...args: ReadonlyArray<string>): string =>
  ChildProcess.execFileSync("docker", args, { encoding: "utf8" }).trim()

describe("DockerDaemon, without a daemon", () => {
  const asked = async (host: string): Promise<boolean> => {
    vi.resetModules()
    vi.stubEnv("PATH", "/nowhere")
    vi.stubEnv("DOCKER_HOST", host)
    try {
      const fresh = await import("@bottle/testing/DockerDaemon")
      return fresh.answers()
    } finally {
      vi.unstubAllEnvs()
    }
  }

  it("says that there is none where nobody said that there is", async () => {
    assert.isFalse(await asked(""))
  })

  it("fails where DOCKER_HOST says that there is one", async () => {
    const failure = await asked("unix:///nowhere/docker.sock").then(
      () => "",
      (error: unknown) => String(error)
    )
    assert.include(failure, "no docker daemon answers at DOCKER_HOST, which is unix:///nowhere/docker.sock")
  })
})

const isThere = DockerDaemon.answers()
const unless = isThere ? "" : " (skipped: no docker daemon answers)"

describe.skipIf(!isThere)(`DockerDaemon${unless}`, { timeout: 60_000 }, () => {
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
