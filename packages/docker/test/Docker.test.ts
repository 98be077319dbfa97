import * as Docker from "@bottle/docker/Docker"
import type { DockerError } from "@bottle/docker/DockerError"
import * as CommandScript from "@bottle/testing/CommandScript"
import { assert, describe, it } from "@effect/vitest"
import type * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"

type Service = Context.Tag.Service<typeof Docker.Docker>

const docker = <A, E>(use: (docker: Service) => Effect.Effect<A, E>) => Effect.flatMap(Docker.Docker, use)

const scripted = (
  replies: ReadonlyArray<CommandScript.Reply>,
  options: Docker.Options = { env: { PATH: "/usr/bin" } }
) => Docker.layer(options).pipe(Layer.provideMerge(CommandScript.layer(replies)))

const starting =
  (...words: ReadonlyArray<string>) =>
  (argv: ReadonlyArray<string>): boolean =>
    ["docker", ...words].every((word, index) => argv[index] === word)

/** A reply to whatever begins with the words. */
const reply = (words: string, answer: Omit<CommandScript.Reply, "match"> = {}): CommandScript.Reply => ({
  match: starting(...words.split(" ")),
  ...answer
})

const failing = (words: string, stderr: string, exit = 1) => reply(words, { exit, stderr })

const commands = Effect.flatMap(CommandScript.CommandScript, ({ recorded }) =>
  Effect.map(recorded, (runs) => runs.map(({ argv }) => argv.slice(1).join(" ")))
)

const environment = Effect.flatMap(CommandScript.CommandScript, ({ recorded }) =>
  Effect.map(recorded, (runs) => runs.map(({ env, extendEnv }) => (extendEnv ? undefined : env)))
)

const failsWith = (
  use: (docker: Service) => Effect.Effect<unknown, DockerError>,
  replies: ReadonlyArray<CommandScript.Reply>,
  tag: DockerError["_tag"],
  message: string
) =>
  Effect.gen(function* () {
    const error = yield* Effect.flip(docker(use))
    assert.strictEqual(error.message, message)
    assert.strictEqual(error._tag, tag)
    assert.match(error.suggestion, /^[A-Z].*\.$/)
  }).pipe(Effect.provide(scripted(replies)))

const idOf = (digit: string) => digit.repeat(64)

const network = { name: "bottle-x1", subnet: "192.168.7.0/24", gateway: "192.168.7.1", labels: { "bottle.id": "x1" } }

const container: Docker.RunOptions = {
  name: "bottle-x1",
  image: "bundle:1",
  network: "bottle-x1",
  ip: "192.168.7.2",
  labels: {},
  readonlyRoot: true,
  user: "65532",
  memoryMib: 64,
  pids: 16
}

const networkJson = (id: string, name: string, labels = "{}") =>
  `{"Name":"${name}","Id":"${id}","Created":"2026-11-21T15:47:44Z","Scope":"local","Driver":"bridge","EnableIPv6":false,"IPAM":{"Driver":"default","Options":{},"Config":[{"Subnet":"192.168.77.0/24","Gateway":"192.168.77.1"},{"Subnet":"10.0.0.0/8"}]},"Internal":true,"Containers":{},"Options":{},"Labels":${labels}}\n`

const containerJson = (id: string, name: string, state: string, networks: string, labels = "null") =>
  `{"Id":"${id}","Name":"/${name}","State":${state},"Config":{"Env":["A=s3cret"],"Labels":${labels}},"NetworkSettings":{"Networks":${networks}}}\n`

describe("the client's environment", () => {
  it.effect("is the one that is given, whole", () =>
    Effect.gen(function* () {
      yield* docker((it) => it.networkRemove("bottle-x1"))
      assert.deepStrictEqual(yield* environment, [{ PATH: "/usr/bin" }])
    }).pipe(Effect.provide(scripted([reply("network rm")])))
  )

  it.effect("is otherwise what finds a daemon, and nothing else of the host's", () =>
    Effect.gen(function* () {
      yield* docker((it) => it.networkRemove("bottle-x1"))
      const [env] = yield* environment
      assert.strictEqual(env?.["PATH"], process.env["PATH"])
      assert.strictEqual(env?.["DOCKER_CONTEXT"], "elsewhere")
      for (const name of ["DOCKER_DEFAULT_PLATFORM", "DOCKER_CONTENT_TRUST", "MY_SECRET", "NODE_OPTIONS"]) {
        assert.notProperty(env, name)
      }
    }).pipe(
      Effect.provide(
        Layer.unwrapScoped(
          Effect.as(
            withVariables({
              DOCKER_CONTEXT: "elsewhere",
              DOCKER_DEFAULT_PLATFORM: "linux/riscv64",
              DOCKER_CONTENT_TRUST: "1",
              MY_SECRET: "s3cret"
            }),
            scripted([reply("network rm")], {})
          )
        )
      )
    )
  )
})

/** Sets variables of this process until the scope closes. */
const withVariables = (variables: Readonly<Record<string, string>>) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const before = Object.keys(variables).map((name) => [name, process.env[name]] as const)
      Object.assign(process.env, variables)
      return before
    }),
    (before) =>
      Effect.sync(() => {
        for (const [name, value] of before) {
          if (value === undefined) delete process.env[name]
          else process.env[name] = value
        }
      })
  )

describe("networks", () => {
  it.effect("are made and removed", () =>
    Effect.gen(function* () {
      yield* docker((it) => it.networkCreate(network))
      yield* docker((it) => it.networkRemove("bottle-x1"))
      assert.deepStrictEqual(yield* commands, [
        "network create --driver bridge --subnet 192.168.7.0/24 --gateway 192.168.7.1 --label bottle.id=x1 bottle-x1",
        "network rm bottle-x1"
      ])
    }).pipe(Effect.provide(scripted([reply("network create", { stdout: `${idOf("a")}\n` }), reply("network rm")])))
  )

  const create = (it: Service) => it.networkCreate(network)
  const remove = (it: Service) => it.networkRemove("bottle-x1")

  it.effect("fail to be made for a reason that has a name", () =>
    Effect.all([
      failsWith(
        create,
        [failing("network create", "Error response from daemon: Pool overlaps with other one on this address space\n")],
        "SubnetOverlap",
        "network bottle-x1: 192.168.7.0/24 overlaps the subnet of another network"
      ),
      failsWith(
        create,
        [
          failing(
            "network create",
            "Error response from daemon: could not find an available, non-overlapping IPv4 address pool among the defaults to assign to the network\n"
          )
        ],
        "SubnetsExhausted",
        "network bottle-x1: docker has no subnet left to give"
      ),
      failsWith(
        create,
        [failing("network create", "Error response from daemon: network with name bottle-x1 already exists\n")],
        "NetworkExists",
        "network bottle-x1 exists already"
      ),
      failsWith(
        create,
        [failing("network create", "no matching subnet for gateway 10.1.1.1\u001b[31m\n")],
        "DockerCommandFailed",
        "docker network create failed with exit code 1: no matching subnet for gateway 10.1.1.1\\x1b[31m"
      ),
      failsWith(
        create,
        [
          failing("network create", "Cannot connect to the Docker daemon at unix:///x. Is the docker daemon running?\n")
        ],
        "DaemonUnreachable",
        "docker reaches no daemon: Cannot connect to the Docker daemon at unix:///x. Is the docker daemon running?"
      ),
      failsWith(
        create,
        [reply("network create", { notFound: true })],
        "DockerNotInstalled",
        "docker is not installed: no such program on PATH"
      ),
      failsWith(
        (it) => it.networkCreate({ ...network, gateway: "" }),
        [],
        "DockerArgumentRefused",
        "docker network create: --gateway must be an IPv4 address"
      )
    ])
  )

  it.effect("that are not there are removed already, and those in use are not", () =>
    Effect.gen(function* () {
      for (const text of [
        "Error response from daemon: network bottle-x1 not found\nexit status 1\n",
        "Error: No such network: bottle-x1\n"
      ]) {
        yield* Effect.provide(docker(remove), scripted([failing("network rm", text)]))
      }
      yield* failsWith(
        remove,
        [
          failing(
            "network rm",
            `Error response from daemon: error while removing network: network bottle-x1 id ${idOf("a")} has active endpoints\n`
          )
        ],
        "NetworkInUse",
        "network bottle-x1 has containers in it"
      )
    })
  )

  it.effect("are inspected, or are none", () =>
    Effect.gen(function* () {
      const found = yield* docker((it) => it.networkInspect("bottle-x1"))
      assert.deepStrictEqual(
        { ...Option.getOrThrow(found) },
        {
          id: idOf("a"),
          name: "bottle-x1",
          labels: { a: "b,c=d" },
          internal: true,
          subnets: [
            { subnet: "192.168.77.0/24", gateway: "192.168.77.1" },
            { subnet: "10.0.0.0/8", gateway: null }
          ]
        }
      )
      assert.isTrue(Option.isNone(yield* docker((it) => it.networkInspect("bottle-x2"))))
    }).pipe(
      Effect.provide(
        scripted([
          reply("network inspect", { stdout: networkJson(idOf("a"), "bottle-x1", '{"a":"b,c=d"}') }),
          reply("network inspect", {
            exit: 1,
            stdout: "\n",
            stderr: "Error response from daemon: network bottle-x2 not found\n"
          })
        ])
      )
    )
  )

  it.effect("are listed with the labels that inspect shows, without those that have gone", () =>
    Effect.gen(function* () {
      const found = yield* docker((it) => it.networkList({ labels: { "bottle.owner": "me" } }))
      assert.deepStrictEqual(
        found.map(({ labels, name }) => ({ name, labels })),
        [{ name: "bottle-x1", labels: { "bottle.owner": "me" } }]
      )
      assert.deepStrictEqual(yield* commands, [
        "network ls --no-trunc --filter label=bottle.owner=me --format {{.ID}}",
        `network inspect --format {{json .}} ${idOf("a")} ${idOf("b")}`
      ])
    }).pipe(
      Effect.provide(
        scripted([
          reply("network ls", { stdout: `${idOf("a")}\n${idOf("b")}\n` }),
          reply("network inspect", {
            exit: 1,
            stdout: networkJson(idOf("a"), "bottle-x1", '{"bottle.owner":"me"}'),
            stderr: `Error response from daemon: network ${idOf("b")} not found\n`
          })
        ])
      )
    )
  )

  it.effect("that are none are not inspected", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* docker((it) => it.networkList({ labels: {} })), [])
    }).pipe(Effect.provide(scripted([reply("network ls", { stdout: "\n" })])))
  )

  it.effect("are not made out by an answer that is not docker's, which is not repeated", () =>
    Effect.all([
      failsWith(
        (it) => it.networkInspect("bottle-x1"),
        [reply("network inspect", { stdout: "hello\n" })],
        "DockerNotUnderstood",
        "docker network inspect: its answer is not docker's"
      ),
      failsWith(
        (it) => it.networkInspect("bottle-x1"),
        [reply("network inspect", { stdout: "[]\n" })],
        "DockerNotUnderstood",
        "docker network inspect: its answer is not docker's"
      ),
      failsWith(
        (it) => it.networkList({ labels: {} }),
        [reply("network ls", { stdout: "--help\n" })],
        "DockerArgumentRefused",
        "docker network inspect: an identifier must be a whole identifier"
      )
    ])
  )
})

describe("images", () => {
  it.effect("are inspected, or are none", () =>
    Effect.gen(function* () {
      const [labelled, plain, none] = yield* docker((it) =>
        Effect.all([it.imageInspect("x:1"), it.imageInspect("x:2"), it.imageInspect("x:3")])
      )
      assert.deepStrictEqual({ ...Option.getOrThrow(labelled) }, { id: "sha256:1", labels: { a: "b" } })
      assert.deepStrictEqual({ ...Option.getOrThrow(plain) }, { id: "sha256:2", labels: {} })
      assert.isTrue(Option.isNone(none))
    }).pipe(
      Effect.provide(
        scripted([
          reply("image inspect", { stdout: `{"Id":"sha256:1","Config":{"Labels":{"a":"b"}}}\n` }),
          // The 28.2 client leaves the fields of an imported image's configuration out.
          reply("image inspect", { stdout: `{"Id":"sha256:2","Config":{}}\n` }),
          failing("image inspect", "\nError response from daemon: no such image: x:3: No such image: x:3\n")
        ])
      )
    )
  )

  it.effect("are built by the classic builder, and give their identifier", () =>
    Effect.gen(function* () {
      const id = yield* docker((it) => it.imageBuild({ context: "/c", tag: "x:1", args: { BASE: "y:1" }, labels: {} }))
      assert.strictEqual(id, `sha256:${idOf("1")}`)
      assert.deepStrictEqual(yield* environment, [{ PATH: "/usr/bin", DOCKER_BUILDKIT: "0" }])
      assert.deepStrictEqual(yield* commands, [
        "build --quiet --force-rm --network none --tag x:1 --build-arg BASE=y:1 /c"
      ])
    }).pipe(
      Effect.provide(
        scripted([
          reply("build", {
            stdout: `sha256:${idOf("1")}\n`,
            stderr: "DEPRECATED: The legacy builder is deprecated and will be removed in a future release.\n"
          })
        ])
      )
    )
  )

  it.effect("that cannot be built say why, and what the builder said", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(docker((it) => it.imageBuild({ context: "/c", tag: "x:1", labels: {} })))
      assert.strictEqual(error._tag, "BuildFailed")
      const why = "The command '/bin/sh -c exit 3' returned a non-zero code: 3"
      assert.strictEqual(error.message, `image x:1 could not be built: ${why}`)
      const output = error._tag === "BuildFailed" ? error.output : ""
      assert.strictEqual(output, `Step 2/2 : RUN \\x1b[31m exit 3\n${why}`)
    }).pipe(
      Effect.provide(
        scripted([
          failing(
            "build",
            "Step 2/2 : RUN \u001b[31m exit 3\nThe command '/bin/sh -c exit 3' returned a non-zero code: 3\n",
            3
          )
        ])
      )
    )
  )

  it.effect("are removed, and those that are not there are removed already", () =>
    Effect.gen(function* () {
      yield* docker((it) => Effect.all([it.imageRemove("x:1"), it.imageRemove("x:1"), it.imageRemove("x:1")]))
    }).pipe(
      Effect.provide(
        scripted([
          reply("image rm"),
          failing("image rm", "Error response from daemon: No such image: x:1\n"),
          failing("image rm", "Error: No such image: x:1\n")
        ])
      )
    )
  )

  it.effect("stay where a container uses them", () =>
    failsWith(
      (it) => it.imageRemove("x:1"),
      [
        failing(
          "image rm",
          'Error response from daemon: conflict: unable to remove repository reference "x:1" (must force) - container 322275c4eb6e is using its referenced image 607d5f61cf36\n'
        )
      ],
      "DockerCommandFailed",
      'docker image rm failed with exit code 1: conflict: unable to remove repository reference "x:1" (must force) - container 322275c4eb6e is using its referenced image 607d5f61cf36'
    )
  )
})

describe("containers", () => {
  it.effect("are run with their secrets in the client's environment alone", () =>
    Effect.gen(function* () {
      const secrets = { API_KEY: Redacted.make("s3cret-value") }
      const id = yield* docker((it) => it.containerRun({ ...container, env: { A: "b" }, secrets }))
      assert.strictEqual(id, idOf("c"))
      assert.deepStrictEqual(yield* environment, [{ PATH: "/usr/bin", API_KEY: "s3cret-value" }])
      const [argv = ""] = yield* commands
      assert.include(argv, " --env A=b --env API_KEY ")
      assert.notInclude(argv, "s3cret")
    }).pipe(Effect.provide(scripted([reply("run --detach", { stdout: `${idOf("c")}\n` })])))
  )

  it.effect("do not put a secret into an error, whatever the program prints", () =>
    failsWith(
      (it) => it.containerRun({ ...container, secrets: { API_KEY: Redacted.make("s3cret-value") } }),
      [failing("run", "docker: Error response from daemon: API_KEY=s3cret-value is wrong.\n", 125)],
      "DockerCommandFailed",
      "docker run failed with exit code 125: API_KEY=<redacted> is wrong."
    )
  )

  const run = (it: Service) => it.containerRun(container)
  const saying = (sentence: string, stdout = "") => [
    reply("run", { exit: 125, stdout, stderr: `docker: Error response from daemon: ${sentence}\n` })
  ]

  it.effect("fail to run for a reason that has a name", () =>
    Effect.all([
      failsWith(
        run,
        saying(`Conflict. The container name "/bottle-x1" is already in use by container "${idOf("c")}". You have to`),
        "ContainerExists",
        "container bottle-x1 exists already"
      ),
      failsWith(run, saying("No such image: bundle:1"), "ImageNotFound", "image bundle:1 is not here"),
      failsWith(
        run,
        saying("network bottle-x1 not found", `${idOf("c")}\n`),
        "NetworkNotFound",
        "network bottle-x1 does not exist"
      ),
      failsWith(
        run,
        saying("Address already in use", `${idOf("c")}\n`),
        "AddressInUse",
        "container bottle-x1: the address 192.168.7.2 is in use"
      ),
      failsWith(
        run,
        saying("Invalid address 192.168.7.2: It does not belong to any of this network's subnets"),
        "AddressOutsideSubnet",
        "container bottle-x1: the address 192.168.7.2 is in no subnet of its network"
      ),
      failsWith(
        (it) => it.containerRun({ ...container, mounts: [{ host: "/r/x1", container: "/etc/x", readonly: true }] }),
        saying('invalid mount config for type "bind": bind source path does not exist: /r/x1'),
        "MountSourceMissing",
        "container bottle-x1: the docker daemon does not see /r/x1 of this machine"
      ),
      failsWith(
        run,
        [reply("run", { stdout: "WARNING\n" })],
        "DockerNotUnderstood",
        "docker run: its answer is not docker's"
      ),
      failsWith(
        (it) => it.containerRun({ ...container, secrets: { PATH: Redacted.make("/evil") } }),
        [],
        "DockerArgumentRefused",
        "docker run: --env cannot take a secret named PATH, which the client itself reads"
      )
    ])
  )

  it.effect("are inspected, without the values of their variables", () =>
    Effect.gen(function* () {
      const [running, ended, none] = yield* docker((it) =>
        Effect.all([
          it.containerInspect("bottle-x1"),
          it.containerInspect("bottle-x2"),
          it.containerInspect("bottle-x3")
        ])
      )
      assert.deepStrictEqual(
        { ...Option.getOrThrow(running) },
        {
          id: idOf("a"),
          name: "bottle-x1",
          status: "running",
          exitCode: 0,
          health: "healthy",
          addresses: { "bottle-x1": "192.168.7.2" },
          labels: { a: "b" }
        }
      )
      assert.deepStrictEqual(
        { ...Option.getOrThrow(ended) },
        {
          id: idOf("b"),
          name: "bottle-x2",
          status: "exited",
          exitCode: 137,
          health: null,
          addresses: {},
          labels: {}
        }
      )
      assert.isTrue(Option.isNone(none))
      assert.notInclude(JSON.stringify([running, ended]), "s3cret")
    }).pipe(
      Effect.provide(
        scripted([
          reply("container inspect", {
            stdout: containerJson(
              idOf("a"),
              "bottle-x1",
              '{"Status":"running","ExitCode":0,"Health":{"Status":"healthy","FailingStreak":0,"Log":[]}}',
              '{"bottle-x1":{"IPAMConfig":null,"IPAddress":"192.168.7.2"}}',
              '{"a":"b"}'
            )
          }),
          reply("container inspect", {
            stdout: containerJson(
              idOf("b"),
              "bottle-x2",
              '{"Status":"exited","ExitCode":137}',
              '{"bottle-x2":{"IPAddress":""}}'
            )
          }),
          failing("container inspect", "\nError: No such container: bottle-x3\n")
        ])
      )
    )
  )

  it.effect("are listed", () =>
    Effect.gen(function* () {
      const found = yield* docker((it) => it.containerList({ labels: { "bottle.id": "x1" } }))
      assert.deepStrictEqual(
        found.map(({ name }) => name),
        ["bottle-x1", "bottle-x2"]
      )
      assert.deepStrictEqual(yield* commands, [
        "container ls --all --no-trunc --filter label=bottle.id=x1 --format {{.ID}}",
        `container inspect --format {{json .}} ${idOf("a")} ${idOf("b")}`
      ])
    }).pipe(
      Effect.provide(
        scripted([
          reply("container ls", { stdout: `${idOf("a")}\n${idOf("b")}\n` }),
          reply("container inspect", {
            stdout:
              containerJson(idOf("a"), "bottle-x1", '{"Status":"created","ExitCode":0}', "{}") +
              containerJson(idOf("b"), "bottle-x2", '{"Status":"running","ExitCode":0}', "null")
          })
        ])
      )
    )
  )

  it.effect("are removed, and those that are not there or on their way out are removed already", () =>
    docker((it) => Effect.replicateEffect(it.containerRemove("bottle-x1"), 4)).pipe(
      Effect.provide(
        scripted([
          reply("rm --force --volumes bottle-x1", { stderr: "Error: No such container: bottle-x1\n" }),
          failing("rm", "Error: No such container: bottle-x1\n"),
          failing("rm", "Error response from daemon: No such container: bottle-x1\n"),
          failing("rm", "Error response from daemon: removal of container bottle-x1 is already in progress\n")
        ])
      )
    )
  )

  it.effect("are not removed where the daemon says so", () =>
    failsWith(
      (it) => it.containerRemove("bottle-x1"),
      [failing("rm", "Error response from daemon: driver failed to remove root filesystem\n")],
      "DockerCommandFailed",
      "docker rm failed with exit code 1: driver failed to remove root filesystem"
    )
  )

  it.effect("are sent signals while they run", () =>
    Effect.gen(function* () {
      const kill = (it: Service) => it.containerKill({ name: "bottle-x1", signal: "SIGHUP" })
      const opening = "Error response from daemon: Cannot kill container: bottle-x1: "
      yield* Effect.provide(docker(kill), scripted([{ match: ["docker", "kill", "--signal", "SIGHUP", "bottle-x1"] }]))
      yield* failsWith(
        kill,
        [failing("kill", `${opening}No such container: bottle-x1\n`)],
        "ContainerNotFound",
        "container bottle-x1 does not exist"
      )
      yield* failsWith(
        kill,
        [failing("kill", `${opening}Container ${idOf("c")} is not running\n`)],
        "ContainerNotRunning",
        "container bottle-x1 is not running"
      )
    })
  )

  it.effect("are given something to read, which is in no argv and in no error", () =>
    Effect.gen(function* () {
      const exec = (it: Service) =>
        it.containerExec({ name: "bottle-x1", command: ["node", "take"], stdin: Redacted.make("hunter2") })
      const argv = ["docker", "exec", "--interactive", "bottle-x1", "node", "take"]
      const script = yield* Effect.provide(
        Effect.zipRight(
          docker(exec),
          Effect.flatMap(CommandScript.CommandScript, ({ recorded }) => recorded)
        ),
        scripted([{ match: argv }])
      )
      assert.deepStrictEqual(script[0]?.argv, argv)
      assert.strictEqual(yield* script[0]?.stdin ?? Effect.succeed("nothing was run"), "hunter2")
      const opening = "Error response from daemon: "
      yield* failsWith(
        exec,
        [failing("exec", `${opening}Container ${idOf("c")} is not running\n`)],
        "ContainerNotRunning",
        "container bottle-x1 is not running"
      )
      yield* failsWith(
        exec,
        [failing("exec", `${opening}No such container: bottle-x1\n`)],
        "ContainerNotFound",
        "container bottle-x1 does not exist"
      )
      yield* failsWith(
        exec,
        [failing("exec", "node: I read hunter2 and do not like it\n")],
        "DockerCommandFailed",
        "docker exec failed with exit code 1: node ended with exit code 1 in bottle-x1"
      )
    })
  )
})

describe("logs", () => {
  const lines = docker((it) => Stream.runCollect(it.containerLogs("bottle-x1")))

  it.effect("are given line by line until the container ends", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(
        [...(yield* lines)].toSorted((left, right) => left.text.localeCompare(right.text)),
        [
          { stream: "stdout", text: "", isCut: false },
          { stream: "stderr", text: "e ü", isCut: false },
          { stream: "stdout", text: "one", isCut: false },
          { stream: "stdout", text: "two", isCut: false },
          { stream: "stdout", text: "unended", isCut: false }
        ]
      )
    }).pipe(
      Effect.provide(
        scripted([
          {
            match: ["docker", "logs", "--follow", "bottle-x1"],
            stdout: bytes("one\nt", "wo\r\n", "\n", "unended"),
            stderr: Stream.make(Uint8Array.of(0x65, 0x20, 0xc3), Uint8Array.of(0xbc, 0x0a))
          }
        ])
      )
    )
  )

  it.effect("hold no more of a line than its bound", () =>
    Effect.gen(function* () {
      const [long, whole, after] = [...(yield* lines)]
      assert.strictEqual(long?.text.length, 65_536)
      assert.isTrue(long?.isCut)
      assert.strictEqual(whole?.text.length, 65_536)
      assert.isFalse(whole?.isCut)
      assert.deepStrictEqual(after, { stream: "stdout", text: "after", isCut: false })
    }).pipe(
      Effect.provide(
        scripted([
          reply("logs", {
            stdout: bytes(...Array.from({ length: 40 }, () => "x".repeat(4096)), "\n", "y".repeat(65_536), "\nafter\n")
          })
        ])
      )
    )
  )

  it.effect("of a container that is not there are an error", () =>
    failsWith(
      (it) => Stream.runDrain(it.containerLogs("bottle-x1")),
      [failing("logs", "Error response from daemon: No such container: bottle-x1\n")],
      "ContainerNotFound",
      "container bottle-x1 does not exist"
    )
  )

  it.effect("that break off are an error, after the lines before", () =>
    Effect.gen(function* () {
      const seen: Array<string> = []
      const error = yield* Effect.flip(
        docker((it) =>
          Stream.runForEach(it.containerLogs("bottle-x1"), ({ text }) => Effect.sync(() => seen.push(text)))
        )
      )
      assert.strictEqual(error._tag, "DockerCommandFailed")
      assert.deepStrictEqual(seen.toSorted(), ["error from daemon in stream: unexpected EOF", "one"])
    }).pipe(
      Effect.provide(
        scripted([reply("logs", { exit: 1, stdout: "one\n", stderr: "error from daemon in stream: unexpected EOF\n" })])
      )
    )
  )

  it.effect("end with whoever leaves them", () =>
    Effect.gen(function* () {
      const first = yield* docker((it) => Stream.runHead(it.containerLogs("bottle-x1")))
      assert.deepStrictEqual(Option.getOrThrow(first), { stream: "stdout", text: "one", isCut: false })
      const { recorded } = yield* CommandScript.CommandScript
      assert.deepStrictEqual(
        (yield* recorded).map(({ signals }) => signals),
        [["SIGTERM"]]
      )
    }).pipe(Effect.provide(scripted([reply("logs", { stdout: bytes("one\n"), hang: true })])))
  )

  it.effect("are not asked for by a name that is none", () =>
    failsWith(
      (it) => Stream.runDrain(it.containerLogs("--since")),
      [],
      "DockerArgumentRefused",
      "docker logs: the name must be 2 to 128 letters, digits, '_', '.' and '-', and begin with a letter or digit"
    )
  )
})

const bytes = (...chunks: ReadonlyArray<string>) =>
  Stream.fromIterable(chunks.map((chunk) => new TextEncoder().encode(chunk)))

describe("an interruption", () => {
  it.effect("of what makes something waits until the client is done", () =>
    Effect.gen(function* () {
      const begun = yield* Deferred.make<void>()
      const done = yield* Deferred.make<void>()
      const making = reply("network create", {
        before: Effect.zipRight(Deferred.succeed(begun, undefined), Deferred.await(done))
      })
      yield* Effect.gen(function* () {
        const fiber = yield* Effect.fork(docker((it) => it.networkCreate(network)))
        yield* Deferred.await(begun)
        const interruption = yield* Effect.fork(Fiber.interrupt(fiber))
        yield* TestClock.adjust(5000)
        assert.isTrue(Option.isNone(yield* Fiber.poll(interruption)))
        yield* Deferred.succeed(done, undefined)
        yield* Fiber.join(interruption)
        const { events } = yield* CommandScript.CommandScript
        assert.deepStrictEqual(
          (yield* events).map((event) => event.split(" ")[0]),
          ["start", "exit"]
        )
      }).pipe(Effect.provide(scripted([making])))
    })
  )

  it.effect("of what makes something ends the client when that takes too long", () =>
    Effect.gen(function* () {
      const begun = yield* Deferred.make<void>()
      const stuck = reply("run", { before: Deferred.succeed(begun, undefined), hang: true })
      yield* Effect.gen(function* () {
        const fiber = yield* Effect.fork(docker((it) => it.containerRun(container)))
        yield* Deferred.await(begun)
        const interruption = yield* Effect.fork(Fiber.interrupt(fiber))
        yield* TestClock.adjust(10_000)
        yield* Fiber.join(interruption)
        const { recorded } = yield* CommandScript.CommandScript
        assert.deepStrictEqual((yield* recorded)[0]?.signals, ["SIGTERM"])
      }).pipe(Effect.provide(scripted([stuck])))
    })
  )

  it.effect("of what only asks ends the client at once", () =>
    Effect.gen(function* () {
      const begun = yield* Deferred.make<void>()
      const stuck = reply("network inspect", { before: Deferred.succeed(begun, undefined), hang: true })
      yield* Effect.gen(function* () {
        const fiber = yield* Effect.fork(docker((it) => it.networkInspect("bottle-x1")))
        yield* Deferred.await(begun)
        yield* Fiber.interrupt(fiber)
        const { recorded } = yield* CommandScript.CommandScript
        assert.deepStrictEqual((yield* recorded)[0]?.signals, ["SIGTERM"])
      }).pipe(Effect.provide(scripted([stuck])))
    })
  )
})

describe("deadlines", () => {
  const build = { context: "/c", tag: "x:1", labels: {} }
  const calls: ReadonlyArray<readonly [string, number, (it: Service) => Effect.Effect<unknown, DockerError>]> = [
    ["network create", 60_000, (it) => it.networkCreate(network)],
    ["network rm", 60_000, (it) => it.networkRemove("bottle-x1")],
    ["network ls", 30_000, (it) => it.networkList({ labels: {} })],
    ["network inspect", 30_000, (it) => it.networkInspect("bottle-x1")],
    ["image inspect", 30_000, (it) => it.imageInspect("x:1")],
    ["build", 900_000, (it) => it.imageBuild(build)],
    ["image rm", 60_000, (it) => it.imageRemove("x:1")],
    ["run", 120_000, (it) => it.containerRun(container)],
    ["container inspect", 30_000, (it) => it.containerInspect("bottle-x1")],
    ["container ls", 30_000, (it) => it.containerList({ labels: {} })],
    ["rm", 60_000, (it) => it.containerRemove("bottle-x1")],
    ["kill", 30_000, (it) => it.containerKill({ name: "bottle-x1", signal: "SIGTERM" })],
    ["exec", 60_000, (it) => it.containerExec({ name: "bottle-x1", command: ["x"], stdin: Redacted.make("") })]
  ]

  for (const [command, millis, call] of calls) {
    it.effect(`end a ${command} that never answers`, () =>
      Effect.gen(function* () {
        const fiber = yield* Effect.fork(Effect.flip(docker(call)))
        yield* TestClock.adjust(millis)
        const error = yield* Fiber.join(fiber)
        assert.strictEqual(error.message, `docker ${command} did not end within ${millis} ms`)
        assert.strictEqual(error._tag, "DockerTimedOut")
      }).pipe(Effect.provide(scripted([reply(command, { hang: true })])))
    )
  }

  it.effect("can be set", () =>
    Effect.gen(function* () {
      const fiber = yield* Effect.fork(Effect.flip(docker((it) => it.networkRemove("bottle-x1"))))
      yield* TestClock.adjust(5)
      assert.strictEqual((yield* Fiber.join(fiber)).message, "docker network rm did not end within 5 ms")
    }).pipe(Effect.provide(scripted([reply("network rm", { hang: true })], { env: {}, deadlines: { remove: 5 } })))
  )
})
